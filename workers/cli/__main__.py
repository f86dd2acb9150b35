"""`python -m workers.cli` is `dripline`, for processes that start others of their kind."""

from workers.cli._main import main

if __name__ == "__main__":
    main()
