"""From abilities to grades, through anchors whose grades are known."""
