import { asIs } from "./html.ts";

/** Colours are variables: the dark ones are the same names with other values. */
export const style = asIs`
:root{--back:#fff;--card:#f6f7f9;--text:#1b1f24;--quiet:#5b6470;--line:#d6dae0;--good:#1a7f37;--bad:#c62b2b;--changed:#9a6700;--blue:#2563c9;
--heat1:#d9efe0;--heat2:#a9dcb9;--heat3:#f1d98b;--heat4:#eaa95a;--heat5:#d9772f;--ink:#1b1f24;--on-bad:#fff;--added:#e3f6e8;--removed:#fde8e8}
@media(prefers-color-scheme:dark){:root{--back:#12151a;--card:#1b2027;--text:#e4e8ee;--quiet:#98a2b0;--line:#343c47;--good:#4cc26b;--bad:#ff7470;--changed:#e0b040;--blue:#6ea8ff;
--heat1:#1d3b29;--heat2:#2a6b42;--heat3:#75631f;--heat4:#94571c;--heat5:#b5541a;--ink:#f2f4f7;--on-bad:#1b0d0d;--added:#173322;--removed:#402022}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1200px;padding:1rem;background:var(--back);color:var(--text);font:15px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
h1{margin:0;font-size:1.6rem}h2{margin:0 0 .5rem;font-size:1.15rem}h3{margin:1rem 0 .3rem;font-size:1rem}
p{margin:.3rem 0}section{margin:1rem 0;padding:1rem;background:var(--card);border:1px solid var(--line);border-radius:8px}
.quiet{color:var(--quiet)}.good{color:var(--good)}.bad,.failure h3{color:var(--bad)}.changed,.warning{color:var(--changed)}
.verdict{font-size:1.1rem;font-weight:600}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:.5rem;margin:1rem 0;padding:0;list-style:none}
.tiles li{padding:.6rem .8rem;border:1px solid var(--line);border-radius:8px;background:var(--card)}.tiles b{display:block;font-size:1.5rem}.tiles .none{color:var(--quiet)}
.plain{margin:0;padding:0;list-style:none}.plain li{margin:.25rem 0}
pre,code{font:12.5px/1.45 ui-monospace,Menlo,Consolas,monospace}
pre{margin:.4rem 0;padding:.6rem;overflow-x:auto;background:var(--back);border:1px solid var(--line);border-radius:6px;white-space:pre-wrap}
.diff{padding:.4rem 0}.diff span{display:inline-block;min-width:100%;padding:0 .6rem}.diff .added{background:var(--added)}.diff .removed{background:var(--removed)}.diff .place{color:var(--blue)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;overflow-wrap:normal}th,td{padding:.25rem .6rem;border:1px solid var(--line);text-align:left;vertical-align:top}th{font-weight:600;color:var(--quiet)}
tr.good td:nth-child(2){color:var(--good)}tr.bad td{color:var(--bad)}
.matrix td{min-width:4.2rem;text-align:right;font-variant-numeric:tabular-nums;color:var(--ink)}.matrix td.bad{color:var(--on-bad)}
.heat1{background:var(--heat1);fill:var(--heat1)}.heat2{background:var(--heat2);fill:var(--heat2)}.heat3{background:var(--heat3);fill:var(--heat3)}.heat4{background:var(--heat4);fill:var(--heat4)}.heat5{background:var(--heat5);fill:var(--heat5)}
td.bad,.legend .bad,i.bad{background:var(--bad)}rect.bad,path.bad{fill:var(--bad)}
td.apart,.legend .apart{background:repeating-linear-gradient(45deg,var(--line) 0 3px,transparent 3px 7px)}rect.apart,path.apart{fill:var(--line)}
.legend{color:var(--quiet);font-size:.85rem}.legend i{display:inline-block;width:.9rem;height:.9rem;margin:0 .15rem 0 .5rem;border:1px solid var(--line);border-radius:3px;vertical-align:-.12rem}
.legend .good{background:var(--good)}.legend .untried{background:var(--back)}
svg{display:block;width:100%;height:auto}svg text{fill:var(--text)}
.heat{max-width:900px;min-width:20rem}.heat .frame{fill:var(--back);stroke:var(--line);stroke-width:.2}
.ring{max-width:560px;margin:.6rem 0}.ring rect{fill:var(--back);stroke:var(--line)}.ring text{font:12.5px ui-monospace,Menlo,Consolas,monospace;fill:var(--quiet)}.ring .name{font:600 14px system-ui,sans-serif;fill:var(--text)}
.way{fill:none!important;stroke-width:2}.way.tunnel{stroke-width:4}.way.segment{stroke-dasharray:2 4}.way.good{stroke:var(--good)}.way.bad{stroke:var(--bad)}.way.untried{stroke:var(--quiet);stroke-opacity:.5}
.hosts{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.4rem;padding:0;list-style:none;color:var(--text)}
.hosts li{padding:.35rem .5rem;border:1px solid var(--line);border-left:4px solid var(--quiet);border-radius:5px;background:var(--back);color:var(--text);font-size:.8rem}.hosts .good{border-left-color:var(--good)}.hosts .bad{border-left-color:var(--bad)}.hosts span{display:block}
details.change{margin:.2rem 0;padding:.2rem .5rem;border-left:3px solid var(--changed)}details.failed{border-left-color:var(--bad)}details.not-done{border-left-color:var(--quiet)}
summary{cursor:pointer}.state{color:var(--changed)}.failed .state{color:var(--bad)}.not-done .state{color:var(--quiet)}
.many{max-height:80vh}.many .axis{position:sticky;top:0;z-index:2;background:var(--card)}.timeline{min-width:34rem}.lane{display:flex;height:22px;border-top:1px solid var(--line);font-size:.78rem}
.lane>b{flex:0 0 9rem;overflow:hidden;padding-right:.5rem;text-overflow:ellipsis;white-space:nowrap;font-weight:500}.lane>div{position:relative;flex:1}
.lane i{position:absolute;top:2px;height:17px;min-width:2px;overflow:hidden;padding:0 2px;border-radius:2px;font-style:normal;line-height:17px;white-space:nowrap}
.lane i:not(.play,.batch){padding:0}.axis{border:0;color:var(--quiet)}.axis i{min-width:0;padding-left:3px!important;border-left:1px solid var(--line);border-radius:0;overflow:visible}
.connection{background:var(--line)}.step{background:var(--blue)}.restart{background:var(--changed)}.wait{background:repeating-linear-gradient(90deg,var(--quiet) 0 2px,transparent 2px 5px)}
.play,.batch{background:var(--back);outline:1px solid var(--line)}i.proof{background:var(--good)}
.lane .gap{top:13px;height:7px;background:var(--bad)}.legend .gap{height:.4rem;background:var(--bad)}.lane .mark{width:3px!important;background:var(--bad)}
@media(max-width:600px){body{padding:.5rem}section{padding:.6rem}.lane>b{position:sticky;left:0;z-index:1;flex-basis:6rem;background:var(--card)}}
@media print{body{max-width:none}.many{max-height:none}}
`;
