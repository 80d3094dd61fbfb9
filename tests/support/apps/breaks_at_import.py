raise LookupError("half of it")
