// Evaluated once, when the image is made. What it needs of the language it takes
// now, while nobody has touched it; what it returns is known to the host alone.
((send) => {
  "use strict";

  const { parse, stringify } = JSON;
  const { apply, construct } = Reflect;
  const { slice } = String.prototype;
  const toText = String;
  const TheirDate = Date;
  const TheirMap = Map, TheirSet = Set, TheirError = Error, TheirTypeError = TypeError;
  const isInstance = Function.prototype[Symbol.hasInstance];

  const isA = (value, type) => {
    try {
      return apply(isInstance, type, [value]);
    } catch {
      return false;
    }
  };
  const short = (text, most) => (text.length > most ? apply(slice, text, [0, most]) : text);
  const textOf = (value) => {
    try {
      return toText(value);
    } catch {
      return "";
    }
  };

  // Grants, closed until the host opens them.
  let clock = false;
  let random = null;

  const grant = (given) => {
    const seed = given[1];
    clock = given[0];
    random = seed && sfc32(seed[0], seed[1], seed[2], seed[3]);
  };

  // A small generator of good statistical quality; its seed is what is random.
  const sfc32 = (a, b, c, d) => () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return (t >>> 0) / 4294967296;
  };

  const needClock = () => {
    if (!clock) throw new TheirTypeError("a script has no clock: pass a time in its input, or grant it the clock");
  };

  const theirNow = TheirDate.now;
  function OurDate(...args) {
    if (new.target === undefined) {
      needClock();
      return TheirDate();
    }
    if (args.length === 0) needClock();
    return construct(TheirDate, args, new.target);
  }
  Object.defineProperties(OurDate, {
    name: { value: "Date" },
    length: { value: 7 },
    prototype: { value: TheirDate.prototype, writable: false },
  });
  const method = (value) => ({ value, writable: true, configurable: true });
  Object.defineProperties(OurDate, {
    now: method({ now() { needClock(); return theirNow(); } }.now),
    parse: method(TheirDate.parse),
    UTC: method(TheirDate.UTC),
  });
  TheirDate.prototype.constructor = OurDate;
  globalThis.Date = OurDate;

  Math.random = { random() {
    if (!random) throw new TheirTypeError("a script has no randomness unless it is granted");
    return random();
  } }.random;

  // What console prints of a value. A text stays as it is.
  const printed = (value) => {
    switch (typeof value) {
      case "string": return value;
      case "bigint": return textOf(value) + "n";
      case "function": return "[function]";
      case "object": break;
      default: return textOf(value);
    }
    if (value === null) return "null";
    try {
      if (isA(value, TheirError)) return textOf(value) + (typeof value.stack === "string" ? "\n" + value.stack : "");
      if (isA(value, TheirMap)) return "[Map]";
      if (isA(value, TheirSet)) return "[Set]";
      const text = stringify(value, (_, v) => (typeof v === "bigint" ? textOf(v) + "n" : v));
      return typeof text === "string" ? text : textOf(text);
    } catch {
      return "[object]";
    }
  };
  const mostPrinted = 16384;
  const print = (level) => (...args) => {
    let line = "";
    for (let i = 0; i < args.length && line.length <= mostPrinted; i++) {
      line += (i ? " " : "") + short(printed(args[i]), mostPrinted);
    }
    send(level + short(line, mostPrinted));
  };
  globalThis.console = {
    debug: print("d"), log: print("i"), info: print("i"), warn: print("w"), error: print("e"),
  };

  // The result as "=" and JSON, or "!" and why there is none, or "#" when it is
  // certainly larger than most. It is watched while it is written: an undefined
  // or too large value is not worth the memory of its text.
  const finish = (value, most) => {
    let fault = "", size = 0;
    const stop = {};
    const refuse = (key, what) => {
      fault = "!" + (key === "" ? "the result is " : "the result holds, under " + stringify(short(key, 100)) + ", ") + what;
      throw stop;
    };
    try {
      const text = stringify(value, (key, v) => {
        size += key.length + 1;
        switch (typeof v) {
          case "string": size += v.length; break;
          case "number": if (v - v !== 0) refuse(key, v !== v ? "NaN" : "an infinite number"); break;
          case "bigint": refuse(key, "a BigInt: return String(value)"); break;
          case "symbol": refuse(key, "a symbol"); break;
          case "function": refuse(key, "a function"); break;
          case "undefined": if (key === "" && v === value) refuse(key, "undefined: return a value, or null"); break;
          case "object":
            if (v === null) break;
            if (isA(v, TheirMap)) refuse(key, "a Map: return Object.fromEntries(map)");
            if (isA(v, TheirSet)) refuse(key, "a Set: return [...set]");
        }
        if (size > most) {
          fault = "#";
          throw stop;
        }
        return v;
      });
      return typeof text === "string" ? "=" + text : "!the result is undefined: return a value, or null";
    } catch (e) {
      if (e === stop) return fault;
      if (isA(e, TheirTypeError) && e.message === "circular reference") return "!the result contains itself";
      throw e;
    }
  };

  // What was thrown, as JSON without a prototype that the script could reach.
  const describe = (thrown) => {
    const d = { __proto__: null, name: "", message: "", stack: "" };
    const read = (key) => {
      try {
        const v = thrown[key];
        return typeof v === "string" ? short(v, 4096) : "";
      } catch {
        return "";
      }
    };
    if (isA(thrown, TheirError)) {
      d.name = read("name");
      d.message = read("message");
      d.stack = read("stack");
    } else {
      d.message = short(printed(thrown), 4096);
    }
    return stringify(d);
  };

  return { __proto__: null, parse, grant, finish, describe };
});
