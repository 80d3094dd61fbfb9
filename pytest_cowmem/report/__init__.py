"""What people read: each module is a function of the same records. Runs in the pytest process."""
