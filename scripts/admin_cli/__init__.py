"""cj-admin: instructions, prompts, rubrics, anchors and batches of the CJ Assessment service, for administrators."""
