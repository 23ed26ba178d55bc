"""ResuMatch: how well does a résumé fit a job?"""
