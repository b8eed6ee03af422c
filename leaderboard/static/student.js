// Student's t: the numbers of benchmark/statistics.py, for pairs that are chosen in the page.
"use strict";
(() => {
  const C = [76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155, 1.208650973866179e-3, -5.395239384953e-6];
  function logGamma(x) { // Lanczos, as in Numerical Recipes 6.1: |error| < 2e-10
    let sum = 1.000000000190015;
    C.forEach((c, k) => { sum += c / (x + 1 + k); });
    return (x + 0.5) * Math.log(x + 5.5) - (x + 5.5) + Math.log((2.5066282746310005 * sum) / x);
  }
  function fraction(a, b, x) { // continued fraction of the incomplete beta function, Lentz's method
    const tiny = 1e-300;
    let c = 1, d = 1 - ((a + b) * x) / (a + 1);
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    let value = d;
    for (let m = 1; m <= 300; m++) {
      for (const top of [(m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)), (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))]) {
        d = 1 + top * d;
        c = 1 + top / c;
        d = 1 / (Math.abs(d) < tiny ? tiny : d);
        c = Math.abs(c) < tiny ? tiny : c;
        value *= d * c;
      }
      if (Math.abs(d * c - 1) < 1e-14) break;
    }
    return value;
  }
  function beta(a, b, x) {
    if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
    const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(1 - x));
    return x < (a + 1) / (a + b + 2) ? (front * fraction(a, b, x)) / a : 1 - (front * fraction(b, a, 1 - x)) / b;
  }
  const twoSided = (t, degrees) => beta(degrees / 2, 0.5, degrees / (degrees + t * t));
  function factor(degrees, level = 0.95) { // the t of which a share of 1 - level lies outside, by bisection
    let low = 0, high = 1e4;
    for (let k = 0; k < 200 && high - low > 1e-12 * high; k++) {
      const middle = (low + high) / 2;
      if (twoSided(middle, degrees) > 1 - level) low = middle; else high = middle;
    }
    return (low + high) / 2;
  }

  // Mean, SD, n; of three values or more also the ends of the 95 % interval and p against zero.
  function summary(values) {
    const n = values.length, mean = values.reduce((sum, value) => sum + value, 0) / n;
    const sd = n > 1 ? Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1)) : NaN;
    if (n < 3) return { n, mean, sd, low: NaN, high: NaN, p: NaN };
    const error = sd / Math.sqrt(n), half = factor(n - 1) * error;
    const p = error > 0 ? twoSided(Math.abs(mean) / error, n - 1) : mean === 0 ? 1 : 0;
    return { n, mean, sd, low: mean - half, high: mean + half, p };
  }

  // Adjusted after Holm (1979); what has no p keeps none.
  function holm(found) {
    const order = found.map((p, k) => k).filter((k) => !Number.isNaN(found[k])).sort((a, b) => found[a] - found[b]);
    const adjusted = found.map(() => NaN);
    let largest = 0;
    order.forEach((k, place) => {
      largest = Math.max(largest, Math.min(1, found[k] * (order.length - place)));
      adjusted[k] = largest;
    });
    return adjusted;
  }
  window.student = { summary, holm, twoSided, factor };
})();
