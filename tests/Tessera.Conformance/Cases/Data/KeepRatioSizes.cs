using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Data.Transforms;

namespace Tessera.Conformance.Cases.Data;

/// <summary>
/// Sizes of images that are resized in proportion: rows of width, height, and the limits of the longer and the shorter side.
/// </summary>
[Case("detection.keep-ratio-sizes", OnCpu = true)]
internal sealed class KeepRatioSizes : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var sizes = new List<double>();
        foreach (var row in run.Literal("sizes").Chunk(4))
        {
            if (row is not [var width, var height, var longer, var shorter])
                throw new GoldenMismatchException("the input 'sizes' must have rows of four numbers");
            var (canvas, random) = (Images.OnCanvas(new Raster(1, (int)height, (int)width)), new SampleRandom(0, 0, 0));
            new ResizeWithin((int)shorter, (int)longer).Apply(canvas, ref random);
            sizes.AddRange([canvas.Image.Width, canvas.Image.Height]);
        }
        run.Output("out", sizes, sizes.Count / 2, 2);
    }
}
