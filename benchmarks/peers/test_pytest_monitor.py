import program


def test_forks():
    program.in_worker(program.work)


def test_is_forked():
    program.work()
