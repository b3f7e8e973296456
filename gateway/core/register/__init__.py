"""Who there is: people, their papers and radios, who is on duty, who answers for whom."""
