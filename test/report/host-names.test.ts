import { describe, expect, it } from "vitest";
import { hostRanges, someHosts } from "../../src/report/host-names.ts";

describe("the names of hosts", () => {
  it.each([
    [["a"], "a"],
    [["web1", "web2"], "web1, web2"],
    [["web2", "web10", "web1", "web3", "db"], "db, web[1:3], web10"],
    [["web8", "web9", "web10", "web11"], "web[8:11]"],
    [["web009", "web010", "web011"], "web[009:011]"],
    [["n1.dc2.net", "n2.dc2.net", "n3.dc2.net", "n4.dc3.net"], "n[1:3].dc2.net, n4.dc3.net"],
    [["n1.dc1", "n2.dc2", "n3.dc3"], "n1.dc1, n2.dc2, n3.dc3"],
    [["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.1"], "10.0.0.[1:3], 10.0.1.1"],
    [["1", "2", "3"], "[1:3]"],
  ])("count up: %j", (names, text) => {
    expect(hostRanges(names)).toBe(text);
  });

  it("are cut after eight", () => {
    const odd = Array.from({ length: 20 }, (_, i) => `h${2 * i}`);
    expect(someHosts(odd)).toBe("h0, h2, h4, h6, h8, h10, h12, h14 and 12 more");
    expect(someHosts([...odd, "h100", "h101", "h102"])).toMatch(/ and 15 more$/);
    expect(someHosts(odd.slice(0, 8))).not.toContain("more");
  });
});
