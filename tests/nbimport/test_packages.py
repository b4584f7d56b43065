"""Packages: with ``__init__`` and without, mixed with ``.py``, circular, relative."""


def test_packages_behave_as_py_packages_do(same):
    files = {
        "pkg/__init__": """
            \"\"\"The package.\"\"\"

            from . import first

            from .second import name as second_name

            __all__ = ["first", "sub"]
            """,
        "pkg/first": """
            import pkg.second

            from . import second

            name = __name__
            """,
        "pkg/second": """
            name, package = __name__, __package__

            from .sub import deep
            """,
        "pkg/sub/__init__": """
            from .. import first as up
            """,
        "pkg/sub/deep": """
            from ..second import name as above

            from . import __name__ as parent

            from ...pkg import __doc__ if False else None
            """.replace("from ...pkg import __doc__ if False else None", "from .. import __doc__"),
    }
    same(
        files,
        """
        import pkg, sys
        from pkg.sub import deep
        import pkg.sub.deep as d2
        from pkg import *
        assert d2 is deep is pkg.sub.deep
        print(pkg.__doc__, pkg.second_name, pkg.first.name, deep.above, deep.parent)
        print(first, sub) if 0 else print(first.__name__, sub.up.__name__, deep.__package__)
        for name in sorted(n for n in sys.modules if n.startswith("pkg")):
            module = sys.modules[name]
            spec = module.__spec__
            print(name, module.__package__, spec.name, spec.parent, spec.has_location,
                  hasattr(module, "__path__"), len(spec.submodule_search_locations or ()),
                  spec.origin == module.__file__, spec.cached == module.__cached__,
                  module.__loader__ is spec.loader, sorted(k for k in vars(module)))
        print(deep.__doc__)
        """,
    )


def test_relative_imports_fail_as_in_py_files(same):
    files = {
        "pkg/__init__": "",
        "pkg/a": """
            try:
                from ... import b
            except ImportError as error:
                print(type(error).__name__, error)

            try:
                from . import nothing
            except ImportError as error:
                print(type(error).__name__, str(error).partition("(")[0])

            try:
                from .nothing import x
            except ImportError as error:
                print(type(error).__name__, error, error.name)

            try:
                import pkg.nothing
            except ImportError as error:
                print(type(error).__name__, error, error.name)
            """,
        "top": """
            try:
                from . import pkg
            except ImportError as error:
                print(type(error).__name__, error)

            import pkg.a
            """,
    }
    same(
        files,
        """
        import top
        try:
            import top.sub
        except ImportError as error:
            print(error)
        try:
            from top import nothing
        except ImportError as error:
            print(str(error).partition("(")[0])
        """,
    )


def test_circular_imports_see_each_other_half_done_as_py_files_do(same):
    files = {
        "a": """
            print("a begins")

            import b

            x = "from a"

            def late():
                import b
                return b.y

            print("a ends")
            """,
        "b": """
            print("b begins", "a" in __import__("sys").modules)

            import a

            print(hasattr(a, "x"))

            try:
                from a import x
            except ImportError as error:
                print(str(error).partition("(")[0])

            y = "from b"

            def late():
                from a import x
                return x
            """,
        "self_import": """
            import self_import

            import self_import as me

            assert me is self_import and me.__name__ == __name__

            x = 1

            from self_import import x as y
            """,
    }
    same(
        files,
        """
        import a, b, self_import
        print(a.late(), b.late(), self_import.y, a.b is b, b.a is a)
        """,
    )


def test_circular_imports_work_in_a_folder_that_is_loaded_by_path(notebook, script, python):
    notebook("far/a.ipynb", "import b", "x = 1", "def f():\n    return b.g()")
    notebook("far/b.ipynb", "import a", "import c", "def g():\n    return a.x + c.h()")
    script("far/c.py", "def h():\n    return 1")
    snippet = """
        a = nbimport.load("far/a.ipynb")
        print(a.f(), a.b.a is a)
    """
    assert python(snippet) == "2 True\n"


def test_circular_relative_imports_in_a_package(same):
    files = {
        "pkg/__init__": "from . import a\n\nfrom .b import late",
        "pkg/a": "from . import b\n\nfrom .b import *\n\nx = 'a'",
        "pkg/b": (
            "from . import a\n\nimport pkg.a as again\n\ndef late():\n    return a.x, again is a"
        ),
    }
    same(files, "import pkg; print(pkg.late(), pkg.a.late is pkg.late)")


def test_star_imports_honour_all_and_underscores(same):
    files = {
        "pkg/__init__": "__all__ = ['sub', 'x']\n\nx = 1\n\ny = 2",
        "pkg/sub": "x = 3",
        "plain": "a = 1\n\n_b = 2\n\nimport sys",
        "user": "from plain import *\n\nfrom pkg import *\n\nprint(a, x, sub.x, '_b' in globals())",
        "bad": "__all__ = ['missing']",
    }
    same(
        files,
        """
        import user
        try:
            from bad import *
        except AttributeError as error:
            print(error)
        """,
    )


def test_imports_inside_functions_classes_and_conditions(same):
    files = {
        "main": """
            def f():
                import helper, helper as h2
                from helper import value as v
                import sub.leaf
                import sub.leaf as leaf, os.path
                return helper is h2, v, sub.leaf is leaf

            class C:
                import helper
                from helper import value

            try:
                import helper_fast as chosen
            except ImportError:
                import helper as chosen

            g = lambda: __import__("helper").value

            async def h():
                import helper
                return helper.value
            """,
        "helper": "value = 7",
        "sub/__init__": "",
        "sub/leaf": "",
    }
    same(
        files,
        """
        import main, asyncio
        print(main.f(), main.C.value, main.C.helper.value, main.chosen.__name__, main.g())
        print(asyncio.run(main.h()))
        """,
    )


def test_a_module_may_replace_itself_in_sys_modules(same):
    files = {
        "odd": "import sys\n\nclass Odd:\n    x = 1\n\nsys.modules[__name__] = Odd()",
        "user": "import odd\n\nfrom odd import x\n\nprint(type(odd).__name__, x)",
    }
    same(files, "import user, odd; print(user.odd is odd)")


def test_a_package_may_extend_its_path(same):
    files = {
        "pkg/__init__": "import os\n\n__path__.append(os.path.dirname(__file__) + '/../more')",
        "more/extra": "x = __name__",
    }
    assert same(files, "import pkg.extra; print(pkg.extra.x)") == "pkg.extra\n"


def test_module_getattr_and_dir_work(same):
    files = {
        "lazy": """
            def __getattr__(name):
                if name == "late":
                    import importlib
                    return importlib.import_module("other")
                raise AttributeError(name)

            def __dir__():
                return ["late"]
            """,
        "other": "x = 1",
    }
    same(files, "import lazy; print(lazy.late.x, dir(lazy)); from lazy import late; print(late.x)")
