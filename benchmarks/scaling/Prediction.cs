namespace Tessera.Benchmarks.Scaling;

/// <summary>The cost model of docs/scaling.md. All that it starts from is named here.</summary>
internal static class Prediction
{
    // DeiT-B at 224: 17.6 GMACs forward; a backward pass costs twice that, a multiply-accumulate is two operations.
    private const double OperationsPerImage = 17.6e9 * 2 * 3;

    // Of one H200 in bf16 without sparsity, and the share of it that training is assumed to reach.
    private const double Peak = 989e12,
        Utilisation = 0.4;

    // What a step costs besides operations: starts of kernels, optimiser, reading values.
    private const double FixedSeconds = 3e-3;

    // A backward pass is two thirds of the computing.
    private const double BackwardShare = 2.0 / 3;
    private const int GpusOfNode = 8;
    private const double BucketBytes = 25 << 20;

    private sealed record Link(string Name, double BytesPerSecondOfGpu, double Latency);

    private static readonly Link nvlink = new("NVLink within a node", 370e9, 5e-6);

    private static readonly Link[] between =
    [
        new("400 Gb/s InfiniBand for each GPU", 45e9, 10e-6),
        new("100 Gb/s Ethernet for each node", 11e9 / GpusOfNode, 30e-6),
    ];

    internal static void Print(string name, long parameters, double overlap)
    {
        var bytes = parameters * 4.0;
        Console.WriteLine(
            $"{name}: {parameters:N0} parameters, {bytes / 1e6:0} MB of gradients in float32; "
                + $"{Peak * Utilisation / OperationsPerImage:0} images a second of a GPU at {Utilisation:P0} of {Peak / 1e12:0} TFLOP/s; "
                + $"{overlap:P0} of the exchange hidden at most\n"
        );
        foreach (
            var (title, local) in new (string, Func<int, double>)[]
            {
                ("128 images of each GPU", _ => 128),
                ("1024 images in all", gpus => 1024.0 / gpus),
            }
        )
        foreach (var link in between)
        {
            Console.WriteLine(
                $"{title}, {link.Name}\n\n| GPUs | images of each | computing ms | exchange ms | step ms | images/s | efficiency |\n"
                    + "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
            );
            var one = 1024 / Compute(1024);
            foreach (var gpus in (int[])[1, 8, 64, 512])
            {
                var (compute, exchange) = (Compute(local(gpus)), Exchange(bytes, gpus, link));
                var step = compute + Math.Max(exchange * (1 - overlap), exchange - compute * BackwardShare);
                Console.WriteLine(
                    $"| {gpus} | {local(gpus):0} | {1e3 * compute:0.0} | {1e3 * exchange:0.0} | {1e3 * step:0.0} | "
                        + $"{gpus * local(gpus) / step:0} | {gpus * local(gpus) / step / (gpus * one):P0} |"
                );
            }
            Console.WriteLine();
        }
    }

    private static double Compute(double images) => images * OperationsPerImage / (Peak * Utilisation) + FixedSeconds;

    // Rings: within the nodes, and between them with each GPU's share, at once; every bucket pays the latency of the way there and back.
    private static double Exchange(double bytes, int gpus, Link link)
    {
        if (gpus == 1)
            return 0;
        var (inside, nodes, buckets) = (Math.Min(gpus, GpusOfNode), Math.Max(1, gpus / GpusOfNode), Math.Ceiling(bytes / BucketBytes));
        var local = 2.0 * (inside - 1) / inside * bytes / nvlink.BytesPerSecondOfGpu + buckets * 2 * (inside - 1) * nvlink.Latency;
        var far =
            nodes == 1
                ? 0
                : 2.0 * (nodes - 1) / nodes * (bytes / inside) / link.BytesPerSecondOfGpu + buckets * 2 * Math.Log2(nodes) * link.Latency;
        return local + far;
    }
}
