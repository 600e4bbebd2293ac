using System.Diagnostics;
using System.Globalization;
using Tessera.Data;
using Tessera.Training.Tasks.Detection;

// COCO's figures of made-up images as many and as full as those of val2017: 80 classes, 7 objects and 100 detections in each.
// Arguments: images, boxes or masks, threads.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var (count, masks, threads) = (int.Parse(args[0]), args[1] == "masks", int.Parse(args[2]));
const int Classes = 80,
    Objects = 7,
    Detections = 100,
    Height = 480,
    Width = 640;
var measured = new CocoAveragePrecision(Classes, masks);
var (making, started) = (0L, Stopwatch.GetTimestamp());
Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = threads }, i =>
{
    var begun = Stopwatch.GetTimestamp();
    var random = new Random(i);
    ImageObject[] truth = [.. Enumerable.Range(0, Objects).Select(_ => Object(random))];
    DetectedObject[] found = [.. Enumerable.Range(0, Detections).Select(_ => Near(random, truth[random.Next(Objects)]))];
    Interlocked.Add(ref making, Stopwatch.GetTimestamp() - begun);
    measured.Add(i, truth, found);
});
var added = Stopwatch.GetElapsedTime(started);
started = Stopwatch.GetTimestamp();
var scores = measured.Measure();
var made = Stopwatch.GetElapsedTime(0, making) / threads;
Console.WriteLine(
    $"{count} images, {args[1]}, {threads} threads: matching {(added - made).TotalSeconds:0.0} s, measuring "
        + $"{Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s, making the data {made.TotalSeconds:0.0} s; "
        + $"peak of memory {Process.GetCurrentProcess().PeakWorkingSet64 / 1e6:0} MB; AP {scores.Ap:0.0000}"
);

ImageObject Object(Random random)
{
    double width = random.Next(8, 300),
        height = random.Next(8, 300);
    var (left, top) = (random.NextDouble() * (Width - width), random.NextDouble() * (Height - height));
    var box = new ObjectBox(left, top, left + width, top + height);
    return new(box, random.Next(Classes)) { Mask = masks ? Ellipse(box) : null };
}

// Most detections are of the class of their object, and near it.
DetectedObject Near(Random random, ImageObject one)
{
    double Moved(double edge, double length, double most) => Math.Clamp(edge + (random.NextDouble() - 0.5) * length * 0.4, 0, most);
    var (left, top, right, bottom) = one.Box;
    left = Moved(left, one.Box.Width, Width - 2);
    top = Moved(top, one.Box.Height, Height - 2);
    var box = new ObjectBox(
        left,
        top,
        Math.Max(left + 2, Moved(right, one.Box.Width, Width)),
        Math.Max(top + 2, Moved(bottom, one.Box.Height, Height))
    );
    return new(box, random.Next(4) == 0 ? random.Next(Classes) : one.Class, random.NextDouble(), masks ? Ellipse(box) : null);
}

static InstanceMask Ellipse(ObjectBox box)
{
    double[] polygon =
    [
        .. Enumerable
            .Range(0, 40)
            .SelectMany(i =>
                (double[])
                    [
                        (box.Left + box.Right) / 2 + box.Width / 2 * Math.Cos(i * Math.PI / 20),
                        (box.Top + box.Bottom) / 2 + box.Height / 2 * Math.Sin(i * Math.PI / 20),
                    ]
            ),
    ];
    return InstanceMask.FromPolygons(new(Height, Width), [polygon]).AsRuns();
}
