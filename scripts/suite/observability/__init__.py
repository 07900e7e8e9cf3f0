"""What operators see: dashboards and alerts as data, and the files that are generated from them."""
