"""What a reviewer reads: one model alone, or held against others."""
