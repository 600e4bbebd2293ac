using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models.Detection;

/// <summary>
/// Says of the features of regions which class they show and where its box is: convolutions, linear maps, and two linear maps for the
/// answers. Names of the weights are those of mmdetection.
/// </summary>
public sealed partial class BoxHead : Module<Tensor, (Tensor Logits, Tensor Differences)>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="Channels">Of the features, and of the convolutions.</param>
    /// <param name="Size">Height and width of the features.</param>
    /// <param name="Classes">Number of classes without background.</param>
    /// <param name="Width">Of the linear maps.</param>
    /// <param name="Convolutions">Number of convolutions with batch norm.</param>
    /// <param name="Linears">Number of linear maps, at least 1.</param>
    /// <param name="Agnostic">Whether a region has one box, whatever its class.</param>
    public sealed record Config(
        int Channels,
        int Size,
        int Classes,
        int Width = 1024,
        int Convolutions = 0,
        int Linears = 2,
        bool Agnostic = false
    );

    private readonly Config config;
    private Linear fcCls; // background is the last class
    private Linear fcReg;
    private readonly ModuleList<ConvModule> sharedConvs;
    private readonly ModuleList<Linear> sharedFcs;

    /// <summary>A head with mmdetection's initialisation.</summary>
    /// <param name="config">Sizes and options.</param>
    /// <exception cref="ArgumentException">It has no linear map.</exception>
    public BoxHead(Config config)
    {
        if (config.Linears < 1)
            throw new ArgumentException($"the number of linear maps must be at least 1, not {config.Linears}", nameof(config));
        this.config = config;
        fcCls = Classifier(config.Classes);
        fcReg = Regressor(config.Classes);
        sharedConvs = new(Enumerable.Range(0, config.Convolutions).Select(_ => new ConvModule(config.Channels, config.Channels, 3)));
        sharedFcs = new(
            Enumerable
                .Range(0, config.Linears)
                .Select(i =>
                {
                    var inputs = i == 0 ? config.Channels * config.Size * config.Size : config.Width;
                    return Biased(new Linear(inputs, config.Width), weight => Init.XavierUniform(weight));
                })
        );
    }

    /// <summary>Number of classes without background.</summary>
    public int Classes => (int)fcCls.Weight.Size(0) - 1;

    /// <summary>Whether a region has one box, whatever its class.</summary>
    public bool Agnostic => config.Agnostic;

    private Linear Classifier(int classes) => Biased(new Linear(config.Width, classes + 1), weight => Init.Normal(weight, 0.01));

    private Linear Regressor(int classes) =>
        Biased(new Linear(config.Width, config.Agnostic ? 4 : 4 * classes), weight => Init.Normal(weight, 0.001));

    private static Linear Biased(Linear linear, Action<Parameter> fill)
    {
        fill(linear.Weight);
        Init.Zeros(linear.Bias!);
        return linear;
    }

    /// <summary>Fresh answers for another number of classes.</summary>
    internal void ResetClassifier(int classes)
    {
        var (device, type) = (fcCls.Weight.Device, fcCls.Weight.DType);
        fcCls = Classifier(classes);
        fcCls.To(device, type);
        if (config.Agnostic)
            return;
        fcReg = Regressor(classes);
        fcReg.To(device, type);
    }

    /// <summary>
    /// [n, C, size, size] to logits [n, classes + 1], background last, and to the differences of boxes [n, 4 * classes], or [n, 4].
    /// </summary>
    protected override (Tensor Logits, Tensor Differences) Forward(Tensor input)
    {
        var x = sharedConvs.Aggregate(input, (map, conv) => conv.Call(map)).Flatten(1);
        x = sharedFcs.Aggregate(x, (features, linear) => linear.Call(features).Relu());
        return (fcCls.Call(x), fcReg.Call(x));
    }
}
