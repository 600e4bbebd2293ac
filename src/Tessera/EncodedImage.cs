using Tessera.Data;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Data.Loading;
using Tessera.Training.Bundles;
using Tessera.Training.Tasks;

namespace Tessera.Hosting;

/// <summary>A set of one image whose file is in memory.</summary>
internal sealed class EncodedImage(ReadOnlyMemory<byte> file, string name, ImageFacts facts) : ImageDataset("images", "given", new Unlabelled(1))
{
    public override int Channels => facts.Channels;

    public override int? Height => null;

    public override int? Width => null;

    public override Normalization Normalization => facts.Normalization;

    public override string SampleName(int index) => name;

    public override ImageFile Open(int index) => ImageFile.Open(name, file.ToArray());

    public override void Read(int index, Raster target)
    {
        using var opened = Open(index);
        opened.Decode(target, Channels);
    }

    /// <summary>The input of a model, [1, C, H, W].</summary>
    internal static Tensor Prepare(ModelBundle bundle, ReadOnlyMemory<byte> file, string name)
    {
        var image = new EncodedImage(file, name, (ImageFacts)bundle.Facts);
        var pipeline = bundle.PipelineFor(bundle.Facts.OfAnySize());
        return new Loader(image, pipeline, 1, workers: 0, replacement: Replacement.Never).Epoch(0).First().Inputs;
    }
}
