"""What Dripline remembers, in PostgreSQL. The only package that speaks SQL: one small query module per aggregate."""
