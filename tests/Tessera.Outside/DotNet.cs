using Tessera.Models;
using Tessera.Nn;

namespace Tessera.Outside;

/// <summary>A network of a program's own: a convolution over patches, the mean, a classifier.</summary>
public sealed partial class DotNet : Backbone
{
    public const string Name = "dot_net";

    private readonly Conv2d stem;
    private readonly Linear head;
    private readonly int channels;

    public DotNet(ModelOptions options)
    {
        channels = options.Channels ?? 3;
        ImageSize = options.ImageSize ?? (8, 8);
        Classes = options.Classes ?? 10;
        stem = new(channels, NumFeatures, 2, stride: 2);
        head = new(NumFeatures, Classes);
    }

    public static Variant Variant { get; } = new(Name, "nowhere", options => new DotNet(options), ImageSize: 8);

    public override (int Height, int Width) ImageSize { get; }

    public override int Channels => channels;

    public override int Classes { get; }

    public override int NumFeatures => 8;

    public override IReadOnlyList<string> BlockPaths => ["stem"];

    public override IReadOnlyList<string> ClassifierNames => ["head.weight", "head.bias"];

    protected override Tensor Features(Tensor input) => stem.Call(input).Relu();

    protected override Tensor Pool(Tensor features) => features.Mean([2, 3]);

    protected override Tensor Classify(Tensor pooled) => head.Call(pooled);

    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) => [new(Features(input), 2)];

    public override void ResetClassifier(int classes) => throw new NotSupportedException("the classifier stays");

    public override void Resize(int height, int width) => throw new NotSupportedException("the size stays");
}
