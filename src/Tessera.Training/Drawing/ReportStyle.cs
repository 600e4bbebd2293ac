namespace Tessera.Training.Drawing;

/// <summary>The style sheet of all pages, in light and dark and for print.</summary>
internal static class ReportStyle
{
    internal const string Css = """
        :root{
          --ink:#1c2430;--soft:#5d6878;--line:#e3e7ee;--paper:#f5f6f9;--panel:#fff;
          --c0:#3b6fd4;--c1:#e4572e;--c2:#2a9d8f;--c3:#8e5bd0;--c4:#a9b4c6;--c5:#c28a0a;--c6:#c94f8c;
          --good:#1f8a5b;--bad:#c8402a;color-scheme:light dark}
        @media (prefers-color-scheme:dark){:root{
          --ink:#e8ebf1;--soft:#98a3b5;--line:#2c3440;--paper:#12161c;--panel:#1a2029;
          --c0:#6f9cf2;--c1:#ff8a65;--c2:#5cc9b8;--c3:#b990f0;--c4:#4c586b;--c5:#e0b04a;--c6:#ec88b8;
          --good:#5fcf9c;--bad:#ff8b76}}
        *{box-sizing:border-box}
        body{
          margin:0;background:var(--paper);color:var(--ink);
          font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
        header,main{max-width:1240px;margin:0 auto;padding:0 24px}
        header{padding-top:34px}
        .kicker{margin:0;color:var(--soft);font-size:13px;letter-spacing:.06em;text-transform:uppercase}
        h1{margin:2px 0 20px;font-size:30px;line-height:1.2;letter-spacing:-.01em}
        h2{margin:0 0 12px;font-size:17px}
        h3{margin:22px 0 8px;font-size:14px}
        p{margin:0 0 12px;color:var(--soft);font-size:13.5px;max-width:75ch}
        .cards{display:flex;flex-wrap:wrap;gap:14px;margin-bottom:18px}
        .card{
          flex:1 1 150px;background:var(--panel);border:1px solid var(--line);border-radius:12px;padding:14px 18px;
          display:flex;flex-direction:column}
        .card span{color:var(--soft);font-size:13px}
        .card strong{font-size:25px;font-weight:650;letter-spacing:-.01em;white-space:nowrap}
        .card small{color:var(--soft);font-size:12px}
        .card:first-child{background:var(--c0);border-color:var(--c0);color:#fff}
        .card:first-child span,.card:first-child small{color:#ffffffd0}
        .panel{background:var(--panel);border:1px solid var(--line);border-radius:12px;padding:20px 22px;margin-bottom:18px;min-width:0}
        .columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(430px,100%),1fr));gap:0 18px;align-items:start}
        .columns.three{grid-template-columns:repeat(auto-fit,minmax(min(330px,100%),1fr));gap:22px}
        figure{margin:0}
        figure>figcaption{font-size:13.5px;font-weight:600;margin-bottom:4px}
        .legend{float:right;font-weight:400;color:var(--soft)}
        .legend span{margin-left:12px}
        .legend i{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:5px}
        svg{display:block;width:100%;height:auto}
        svg text{font-family:inherit;fill:var(--soft);font-size:12px}
        .grid{stroke:var(--line)}
        .line{fill:none;stroke-width:2;stroke-linejoin:round}
        .s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}.s5{stroke:var(--c5)}.s6{stroke:var(--c6)}
        .f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}
        .f4{fill:var(--c4)}.f5{fill:var(--c5)}.f6{fill:var(--c6)}
        .b0{background:var(--c0)}.b1{background:var(--c1)}.b2{background:var(--c2)}.b3{background:var(--c3)}
        .b5{background:var(--c5)}.b6{background:var(--c6)}
        .track{fill:var(--line);opacity:.6}
        svg .value{fill:var(--ink);font-size:12px}
        .right{fill:var(--c0)}.wrong{fill:var(--c1)}
        svg .cell{fill:var(--ink);font-size:11.5px}
        svg .cell.strong{fill:#fff;font-weight:600}
        .gap{fill:var(--c1);fill-opacity:.4}
        .front{fill:none;stroke:var(--soft);stroke-width:1.5;stroke-dasharray:5 4}
        svg .name{font-size:10.5px;fill:var(--ink)}
        .diagonal{stroke:var(--soft);stroke-dasharray:4 4}
        table{border-collapse:collapse;width:100%;font-size:13.5px}
        th{text-align:left;color:var(--soft);font-weight:500}
        th,td{padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
        .number{text-align:right;font-variant-numeric:tabular-nums}
        .facts th{white-space:nowrap;width:1%;padding-right:18px}
        pre{
          margin:0;padding:14px 16px;background:var(--paper);border-radius:8px;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere;
          font:12.5px/1.55 ui-monospace,"SF Mono",Menlo,"DejaVu Sans Mono",monospace}
        img{display:block;width:100%;height:auto;image-rendering:pixelated;border-radius:6px;background:var(--line)}
        .gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(118px,1fr));gap:18px 16px}
        .gallery figcaption{font-size:12px;line-height:1.35;margin-top:6px;font-weight:400}
        .gallery figcaption span,.gallery figcaption small,.attention small{color:var(--soft)}
        .attention{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(540px,100%),1fr));gap:22px 30px}
        .attention .row{display:grid;gap:4px 10px}
        .attention .row figcaption{grid-column:1/-1;font-weight:400;margin:0}
        .attention small{font-size:12px}
        .good{color:var(--good)}.bad{color:var(--bad)}
        @media print{body{background:#fff}.panel,.card{break-inside:avoid}}
        """;
}
