"""What function authors test with: a pytest plug-in that runs checks for any registered function of the language.

    from engine.testing.functions import function_checks

    test_functions = function_checks("retail.*")
"""
