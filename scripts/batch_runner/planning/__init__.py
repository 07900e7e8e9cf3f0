"""What a run would do: the judges that may be asked, what a comparison costs, what a target takes."""
