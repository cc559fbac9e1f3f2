(function () {
  var root = document.documentElement, button = document.getElementById("theme"), faces = ["auto", "light", "dark"];
  var stored = null;
  try { stored = localStorage.getItem("jaxgen-theme"); } catch (e) { /* a page of a file may have no storage */ }
  function show(face) {
    if (face === "auto") { root.removeAttribute("data-theme"); } else { root.setAttribute("data-theme", face); }
    button.textContent = "Colours: " + face;
  }
  var face = faces.indexOf(stored) < 0 ? "auto" : stored;
  button.hidden = false;
  show(face);
  button.addEventListener("click", function () {
    face = faces[(faces.indexOf(face) + 1) % faces.length];
    show(face);
    try { localStorage.setItem("jaxgen-theme", face); } catch (e) { /* then it holds for this visit */ }
  });
  function opened() {
    var target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    while (target && target !== document.body) {
      if (target.tagName === "DETAILS") { target.open = true; }
      target = target.parentElement;
    }
  }
  window.addEventListener("hashchange", opened);
  opened();
  var closed = [];
  window.addEventListener("beforeprint", function () {
    closed = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    closed.forEach(function (d) { if (!d.classList.contains("long")) { d.open = true; } });
  });
  window.addEventListener("afterprint", function () { closed.forEach(function (d) { d.open = false; }); });
})();
