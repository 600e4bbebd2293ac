using Tessera;
using Tessera.Models;
using Tessera.Nn;

namespace OwnModel;

/// <summary>
/// Three convolutions, the mean over all positions and a linear map. The names of the fields are those of the weights in files:
/// <c>conv1.weight</c>.
/// </summary>
internal sealed partial class ConvNet : Backbone<ConvNet.Config>
{
    /// <summary>Sizes and options.</summary>
    internal sealed record Config((int Height, int Width) ImageSize, int Width = 16, int Classes = 10, int Channels = 3) : BackboneConfig;

    private readonly Conv2d conv1;
    private readonly BatchNorm bn1;
    private readonly Conv2d conv2;
    private readonly BatchNorm bn2;
    private readonly Conv2d conv3;
    private readonly BatchNorm bn3;
    private Linear? head;

    internal ConvNet(Config config)
        : base(config)
    {
        var width = config.Width;
        conv1 = new Conv2d(config.Channels, width, 3, 2, 1);
        bn1 = new BatchNorm(width);
        conv2 = new Conv2d(width, 2 * width, 3, 2, 1);
        bn2 = new BatchNorm(2 * width);
        conv3 = new Conv2d(2 * width, 4 * width, 3, 2, 1);
        bn3 = new BatchNorm(4 * width);
        head = InitialClassifier();
    }

    public override int NumFeatures => 4 * Options.Width;

    public override IReadOnlyList<string> BlockPaths => ["conv1", "conv2", "conv3"];

    protected override ref Linear? Classifier => ref head;

    protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, 4 width, H / 8, W / 8]
    {
        var x = bn1.Call(conv1.Call(input)).Relu();
        x = bn2.Call(conv2.Call(x)).Relu();
        return bn3.Call(conv3.Call(x)).Relu();
    }

    protected override Tensor Pool(Tensor features) => features.Mean([2, 3]); // [B, 4 width]

    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) => [new(Features(input), Stride: 8)];
}
