"""Rules of advice, a file each. Runs in the pytest process; explain/advice.py has their table."""
