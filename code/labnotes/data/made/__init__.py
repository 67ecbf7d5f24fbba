"""Made-up data that stand in for real ones where these are not to be had."""
