using Tessera.Data;
using Tessera.Data.Imaging;

namespace Tessera.Conformance.Cases.Data;

/// <summary>Images of golden files, [height, width, channel], as rasters and back.</summary>
internal static class Images
{
    public static Raster Read(GoldenRun run, string name)
    {
        var shape = run.Input(name).Shape;
        // Where the file says sizes, they are the image's: [height, width, channel]
        foreach (var (key, size) in new[] { "height", "width", "channels" }.Zip(shape.ToArray()))
            run.Config.Expect(key, size);
        run.Config.ExpectOneOf("layout", "height, width, channel", "height, width, channel (row major)");
        return Raster.FromInterleaved(run.Input(name).ToArray<byte>(), (int)shape[2], (int)shape[0], (int)shape[1]);
    }

    public static Canvas OnCanvas(Raster image, params byte[] fill)
    {
        var canvas = new Canvas { Fill = fill };
        canvas.Image.CopyFrom(image);
        return canvas;
    }

    public static void Write(GoldenRun run, string name, Raster image) =>
        run.Output(name, image.ToInterleaved().Select(value => (double)value), image.Height, image.Width, image.Channels);
}
