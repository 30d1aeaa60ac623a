// Runs in every document before its own scripts. Chance comes from the episode's seed (Mulberry32, T. Ettinger, public
// domain), and the clocks, which count virtual time, show the same at the start of every episode.
"use strict";
((seed, epoch) => {
  let state = seed | 0;
  const random = () => {
    state = (state + 0x6D2B79F5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  Math.random = random;
  const fill = (array) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (let index = 0; index < bytes.length; index++) bytes[index] = random() * 256;
    return array;
  };
  Crypto.prototype.getRandomValues = function getRandomValues(array) { return fill(array); };
  Crypto.prototype.randomUUID = function randomUUID() {
    const bytes = fill(new Uint8Array(16));
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  };
  const clock = Date.now;
  let start = clock();
  const now = () => epoch + clock() - start;
  const own = { now, startAgain: () => { start = clock(); } };
  Date = new Proxy(Date, {
    construct: (date, values, target) => Reflect.construct(date, values.length ? values : [now()], target),
    apply: () => new Date().toString(),
    get: (date, key) => Object.hasOwn(own, key) ? own[key] : Reflect.get(date, key),
  });
  Performance.prototype.now = function () { return clock() - start; };
})
