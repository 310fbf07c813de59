// Package sandbox runs JavaScript that users wrote, in an engine compiled to
// WebAssembly: QuickJS-ng (folder quickjs) on wazero.
//
// A script gets JSON and returns JSON. It has a time limit, a memory limit and a
// limit on its result; no files, no network, no timers, no modules. Every run
// has an engine of its own, copied from a prepared image, so nothing survives
// it. WebAssembly is the border that holds: whatever a script does to its own
// objects and prototypes, it does to itself.
//
// # What a script sees
//
// The source is the body of an async function in strict mode: it sees the
// constant input, may await, and returns a value.
//
//	const total = input.lines.reduce((sum, l) => sum + l.price * l.count, 0);
//	console.log("lines:", input.lines.length);
//	return { total };
//
// The language is that of QuickJS-ng (ES2023 and later parts), without Intl,
// setTimeout, fetch, require and import. console.log, info, debug, warn and
// error go to [Program].Log.
//
// # The same every time
//
// Without a grant there is neither time nor chance: new Date() without
// arguments, Date(), Date.now() and Math.random() throw a TypeError, so that a
// script which is run again does the same again. new Date(value) works, in UTC.
// With [Program].Clock the time stands still at that instant; with
// [Program].Random the sequence is another one each run.
//
// # Values
//
// JavaScript has one type of number, the 64-bit float: an integer of the input
// beyond ±9007199254740991 or a decimal of more than about 15 digits is rounded
// to the nearest one, as JSON.parse always does. Send ids and amounts that must
// stay exact as texts; BigInt(text) calculates with them, and String(value)
// makes a text for the result.
//
// What a script returns is written as JSON, and it is an error, not a silent
// null, when JSON cannot hold it: undefined as the whole result (a forgotten
// return), NaN, an infinity, a BigInt, a function, a symbol, a Map, a Set or a
// cycle. A property whose value is undefined is left out, and in an array it
// becomes null, as JSON.stringify has it.
package sandbox
