"""The leaderboard: stored results to tables and charts; needs neither torch nor the models."""
