"""What is to be sent is kept until it is accepted: workers, retries, retention."""
