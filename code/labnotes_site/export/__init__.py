"""What leaves the site: notebooks that stand by themselves, and the files to download."""
