"""Top-level ``await``: in plain Python, in a running event loop, in a thread, in a kernel."""

import pytest

CELLS = (
    "import asyncio",
    "async def value(n):\n    await asyncio.sleep(0)\n    return n",
    "x = await value(3)\nasync with asyncio.timeout(9):\n    y = [await value(0), 1]",
    "z = await asyncio.gather(value(1), value(2))",
    "%time w = await value(4)",
)
SHOW = "print(waits.x, waits.y, waits.z, waits.w)"
EXPECTED = "3 [0, 1] [1, 2] 4\n"


def test_cells_may_await(notebook, python):
    notebook("waits.ipynb", *CELLS)
    for _ in range(2):  # the second time from the cache
        assert python(f"import waits\n{SHOW}") == EXPECTED


def test_cells_may_await_while_an_event_loop_runs(notebook, python):
    notebook("waits.ipynb", *CELLS)
    notebook("outer.ipynb", "import waits, asyncio", "await asyncio.sleep(0)\nimport waits")
    snippet = f"""
        import asyncio, importlib
        async def main():
            other = asyncio.create_task(asyncio.sleep(0, "other"))
            task, loop = asyncio.current_task(), asyncio.get_running_loop()
            import outer, waits
            {SHOW}
            importlib.reload(waits)
            assert asyncio.current_task() is task and asyncio.get_running_loop() is loop
            print(await other)
        asyncio.run(main())
    """
    assert python(snippet) == EXPECTED + "other\n"


def test_cells_may_await_in_a_thread(notebook, python):
    notebook("waits.ipynb", *CELLS)
    snippet = f"""
        import threading
        def run():
            import waits
            {SHOW}
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    """
    assert python(snippet) == EXPECTED


def test_a_task_made_in_one_cell_is_awaited_in_another_as_in_a_kernel(notebook, python):
    notebook(
        "tasks.ipynb",
        "import asyncio\nqueue = asyncio.Queue()\nasync def put():\n    await queue.put(1)",
        "task = asyncio.create_task(put())",
        "got = await queue.get()",
        "same = task.get_loop() is asyncio.get_running_loop()",
    )
    assert python("import tasks; print(tasks.got, tasks.same)") == "1 True\n"


def test_the_threads_own_event_loop_stays_set(notebook, python):
    notebook("waits.ipynb", *CELLS)
    snippet = """
        import asyncio
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        import waits
        assert asyncio.get_event_loop() is loop
        print(loop.run_until_complete(waits.value(5)))
        loop.close()
    """
    assert python(snippet, options=["-W", "error"]) == "5\n"


def test_cells_without_await_run_in_the_importers_context(notebook, python):
    notebook(
        "waits.ipynb",
        "import context\ncontext.var.set('set')",
        "import asyncio",
        "await asyncio.sleep(0)",
    )
    notebook("context.ipynb", "import contextvars\nvar = contextvars.ContextVar('var')")
    assert python("import waits, context; print(context.var.get())") == "set\n"


def test_a_module_without_await_may_run_a_loop_of_its_own(notebook, python):
    notebook("runs.ipynb", "import asyncio\nasync def f(): return 1", "x = asyncio.run(f())")
    assert python("import runs; print(runs.x)") == "1\n"


def test_a_failed_await_leaves_no_module_and_no_loop(notebook, python):
    notebook(
        "fails.ipynb", "import asyncio", "await asyncio.sleep(0)", "await asyncio.wait_for(1, 1)"
    )
    snippet = """
        import asyncio, sys
        async def main():
            try:
                import fails
            except TypeError:
                print("fails" in sys.modules, asyncio.get_running_loop().is_running())
            await asyncio.sleep(0)
        asyncio.run(main())
    """
    assert python(snippet, options=["-W", "error"]) == "False True\n"


def test_async_definitions_alone_need_no_loop(notebook, python):
    notebook("defines.ipynb", "async def f():\n    return 1", "async def g():\n    yield 1")
    assert python("import defines, sys; print('asyncio' in sys.modules)") == "False\n"


def test_cells_may_await_in_a_kernel(notebook, tmp_path):
    manager = pytest.importorskip("jupyter_client.manager")
    notebook("waits.ipynb", *CELLS)
    kernel, client = manager.start_new_kernel(cwd=str(tmp_path))
    try:
        found = []
        for cell in f"import nbimport, waits\n{SHOW}", "print(await waits.value(6))":
            client.execute_interactive(
                cell, timeout=60, allow_stdin=False, output_hook=found.append
            )
        text = "".join(m["content"]["text"] for m in found if m["msg_type"] == "stream")
        assert text == EXPECTED + "6\n", [m["content"] for m in found if m["msg_type"] == "error"]
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
