"""What can be proven of the deployed product without an AWS account; ``make prove-aws``."""
