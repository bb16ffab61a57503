"use strict";
(() => {
  const main = document.getElementById("pools");
  const note = document.getElementById("note");
  const button = document.getElementById("pause");
  const every = 1000 * Number(main.dataset.every);
  // Another process may answer: the one that is shown stays.
  const source = `?format=fragment${main.dataset.process ? `&process=${main.dataset.process}` : ""}`;
  let paused = false;
  let asking = false; // one answer at a time is waited for, however often the page is shown again meanwhile
  let timer = 0;

  async function refresh() {
    try {
      const answer = await fetch(source, { cache: "no-store", signal: AbortSignal.timeout(10000) });
      if (answer.redirected || !answer.ok) {
        throw new Error(`status ${answer.status}`);
      }
      const text = await answer.text();
      if (paused) {
        say("");
      } else if (selecting()) {
        tell("Not renewed while text is selected");
      } else if (!main.matches(":active")) { // else what is being pressed would be gone before it is let go
        show(text);
        say("");
      }
    } catch (error) {
      say(`Not up to date: ${error.message}`);
    }
  }

  function selecting() {
    const selection = getSelection();
    return selection !== null && !selection.isCollapsed && selection.containsNode(main, true);
  }

  function show(text) {
    const open = Array.from(main.querySelectorAll("details[open]"), (each) => each.id);
    const focused = document.activeElement?.closest("main a, details, .longest")?.id;
    const scrolled = Array.from(main.querySelectorAll(".longest"), (each) => [each.id, each.scrollTop]);
    main.innerHTML = text;
    for (const id of open) {
      document.getElementById(id)?.setAttribute("open", "");
    }
    for (const [id, top] of scrolled) {
      document.getElementById(id)?.scrollTo(0, top);
    }
    if (focused) {
      const found = document.getElementById(focused);
      (found?.querySelector("summary") ?? found)?.focus({ preventScroll: true });
    }
  }

  function tell(text) {
    if (note.textContent !== text) {
      note.textContent = text;
    }
  }

  function say(text) {
    tell(text);
    main.classList.toggle("stale", text !== "");
  }

  async function turn() {
    clearTimeout(timer);
    if (!paused && !document.hidden && !asking) {
      asking = true;
      await refresh();
      asking = false;
      clearTimeout(timer);
      timer = setTimeout(turn, every);
    }
  }

  for (const each of main.querySelectorAll("details")) {
    each.open = false; // they are open for those who have no script
  }
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Go on" : "Pause";
    turn();
  });
  document.addEventListener("visibilitychange", turn);
  timer = setTimeout(turn, every);
})();
