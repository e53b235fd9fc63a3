  // Small tools. Whatever comes from a run enters the page through make(), as text or as the value of an attribute
  // whose name is ours: nothing here ever parses markup.
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  root.classList.add("js");

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
    return element;
  };
  const drawing = (tag, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  // What the reader chose, where the browser lets a page keep anything.
  const memory = {
    read(name) { try { return localStorage.getItem(`aqaa-eval-${name}`); } catch { return null; } },
    write(name, value) { try { localStorage.setItem(`aqaa-eval-${name}`, value); } catch { /* a private window */ } },
  };
