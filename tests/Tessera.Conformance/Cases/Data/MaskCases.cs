using System.Text.Json;
using Tessera.Data;

namespace Tessera.Conformance.Cases.Data;

/// <summary>Run lengths of masks. The masks are compared with the first three of them, of which the second is a crowd.</summary>
[Case("metrics.mask-rle", OnCpu = true)]
internal sealed class MaskRunLengths : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var size = new ImageSize(c.Int("height"), c.Int("width"));
        c.Expect("counts", (int[][])[.. Masks(run, size).Select(mask => mask.ToCounts())]);
        c.Expect("counts_string", (string[])[.. Masks(run, size).Select(mask => mask.ToText())]);
        // Every form that a mask can be read from gives the same values.
        InstanceMask[] masks = [.. c.Strings("counts_string").Select(text => InstanceMask.FromText(size, text))];
        InstanceMask[] counted = [.. c["counts"].EnumerateArray().Select(counts => InstanceMask.FromCounts(size, Ints(counts)))];
        foreach (var (text, counts) in masks.Zip(counted))
            if (!text.ToBitmap().SequenceEqual(counts.ToBitmap()))
                run.Fail("the compressed run lengths are another mask than the plain ones");
        run.Output("area", masks.Select(mask => (double)mask.Area));
        run.Output("bbox", masks.SelectMany(mask => Xywh(mask.Bounds)), masks.Length, 4);
        bool[] crowd = [false, true, false];
        run.Output("iou", masks.SelectMany(one => crowd.Select((is_, i) => one.Iou(masks[i], is_))), masks.Length, crowd.Length);
        run.Output("union_area", [InstanceMask.Union(masks).Area]);
        run.Output("intersection_area", [Common(masks).Area]);
        Polygons(run, size);
        bool[] boxCrowd = [false, false, true];
        var (detected, truth) = (Boxes(c["boxes_dt"]), Boxes(c["boxes_gt"]));
        run.Output(
            "box_iou_xywh",
            detected.SelectMany(one => truth.Select((box, i) => one.Iou(box, boxCrowd[i]))),
            detected.Length,
            truth.Length
        );
    }

    private static void Polygons(GoldenRun run, ImageSize size)
    {
        var c = run.Config;
        InstanceMask[] drawn =
        [
            .. c["polygons"]
                .EnumerateArray()
                .Select(one =>
                    InstanceMask.FromPolygons(
                        size,
                        [
                            [.. one.EnumerateArray().Select(v => v.GetDouble())],
                        ]
                    )
                ),
        ];
        c.Expect("polygon_masks", (int[][])[.. drawn.Select(mask => (int[])[.. mask.ToBitmap()])]);
        c.Expect("polygon_counts_string", (string[])[.. drawn.Select(mask => mask.ToText())]);
        run.Output("polygon_area", drawn.Select(mask => (double)mask.Area));
    }

    private static InstanceMask[] Masks(GoldenRun run, ImageSize size) =>
        [
            .. run.Literal("masks")
                .Chunk(size.Height * size.Width)
                .Select(one => InstanceMask.FromBitmap(size, [.. one.Select(value => (byte)value)])),
        ];

    // There is no joint mask of several but by their bitmaps.
    private static InstanceMask Common(InstanceMask[] masks)
    {
        var bitmaps = masks.Select(mask => mask.ToBitmap()).ToArray();
        return InstanceMask.FromBitmap(
            masks[0].Size,
            [.. bitmaps[0].Select((_, i) => bitmaps.All(bitmap => bitmap[i] != 0) ? (byte)1 : (byte)0)]
        );
    }

    private static double[] Xywh(ObjectBox box) => [box.Left, box.Top, box.Width, box.Height];

    private static ObjectBox[] Boxes(JsonElement boxes) =>
        [
            .. boxes
                .EnumerateArray()
                .Select(box => box.EnumerateArray().Select(v => v.GetDouble()).ToArray())
                .Select(box => new ObjectBox(box[0], box[1], box[0] + box[2], box[1] + box[3])),
        ];

    private static int[] Ints(JsonElement values) => [.. values.EnumerateArray().Select(v => v.GetInt32())];
}
