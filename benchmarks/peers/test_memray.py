import figure
import program
from memray import FileReader, Tracker


def test_follow_fork(tmp_path):
    with Tracker(
        tmp_path / "memray.bin", follow_fork=True, native_traces=True, trace_python_allocators=True
    ):
        program.in_worker(program.work)
    (of_worker,) = tmp_path.glob("memray.bin.*")
    with FileReader(of_worker) as reader:
        figure.check(sum(record.size for record in reader.get_high_watermark_allocation_records()))
