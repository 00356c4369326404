"""The HTTP API's edge: requests in, answers and errors out, the same for every function."""
