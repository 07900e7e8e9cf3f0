"""What administrators do with instructions, prompts, rubrics and anchors; each change is audited."""
