"""`python -m stackwright` is the `stackwright` command."""

from stackwright.cli import main

if __name__ == "__main__":
    main()
