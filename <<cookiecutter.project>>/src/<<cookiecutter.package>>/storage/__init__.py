"""Where data and models live: DVC's objects on a ref of the Git remote, or in a bucket."""
