using Tessera.Models;
using Tessera.Nn;
using Tessera.Training.Recipes;

namespace Tessera.Tests.Search.Toys;

/// <summary>A convolution over patches with a number of channels, the mean, a classifier.</summary>
/// <param name="Width">Channels.</param>
[RecipeName("toy_network")]
public sealed record ToyNetwork(int Width) : ArchitectureOptions
{
    public override Backbone Create(ModelOptions options) => new ToyNet(Width, options);
}

/// <summary>The network of <see cref="ToyNetwork"/>.</summary>
public sealed partial class ToyNet : Backbone
{
    private readonly Conv2d stem;
    private readonly Linear head;
    private readonly int channels;

    public ToyNet(int width, ModelOptions options)
    {
        channels = options.Channels ?? 3;
        NumFeatures = width;
        ImageSize = options.ImageSize ?? (8, 8);
        Classes = options.Classes ?? 10;
        stem = new(channels, width, 2, stride: 2);
        head = new(width, Classes);
    }

    public override (int Height, int Width) ImageSize { get; }

    public override int Channels => channels;

    public override int Classes { get; }

    public override int NumFeatures { get; }

    public override IReadOnlyList<string> BlockPaths => ["stem"];

    public override IReadOnlyList<string> ClassifierNames => ["head.weight", "head.bias"];

    protected override Tensor Features(Tensor input) => stem.Call(input).Relu();

    protected override Tensor Pool(Tensor features) => features.Mean([2, 3]);

    protected override Tensor Classify(Tensor pooled) => head.Call(pooled);

    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) => [new(Features(input), 2)];

    public override void ResetClassifier(int classes) => throw new NotSupportedException("the classifier stays");

    public override void Resize(int height, int width) => throw new NotSupportedException("the size stays");
}
