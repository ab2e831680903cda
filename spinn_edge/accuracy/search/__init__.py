"""The worst input beyond the golden ones."""
