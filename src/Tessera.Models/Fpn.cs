using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>What the convolutions that make the coarsest levels of a feature pyramid read.</summary>
public enum FpnExtra
{
    /// <summary>There are none: further levels are every second position of the one before (Mask R-CNN).</summary>
    None,

    /// <summary>The coarsest map of the backbone (RetinaNet).</summary>
    OnInput,

    /// <summary>The coarsest map after its 1 x 1 convolution.</summary>
    OnLateral,

    /// <summary>The coarsest output.</summary>
    OnOutput,
}

/// <summary>
/// Feature pyramid network: every map of a backbone is projected to one width, coarse maps are added to finer ones, and a convolution
/// smooths each sum. Lin et al., "Feature Pyramid Networks for Object Detection", 2017, arXiv:1612.03144. Names of the weights are those
/// of mmdetection and mmsegmentation.
/// </summary>
/// <remarks>Coarse maps are brought to the finer one's size, whatever it is, by the nearest position: odd sizes work.</remarks>
public sealed partial class Fpn : Module<IReadOnlyList<Tensor>, IReadOnlyList<Tensor>>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="Inputs">Channels of the backbone's maps, from fine to coarse.</param>
    /// <param name="Width">Channels of all outputs.</param>
    /// <param name="Outputs">Number of outputs, at least that of the maps used.</param>
    /// <param name="StartLevel">First map that is used, from 0.</param>
    /// <param name="Extra">How outputs beyond the maps are made.</param>
    /// <param name="ReluBeforeExtra">Whether further convolutions than the first one of these read their input through a ReLU.</param>
    /// <param name="Norm">Norm of all convolutions.</param>
    /// <param name="Relu">Whether all convolutions end in a ReLU.</param>
    public sealed record Config(
        IReadOnlyList<int> Inputs,
        int Width = 256,
        int Outputs = 5,
        int StartLevel = 0,
        FpnExtra Extra = FpnExtra.None,
        bool ReluBeforeExtra = false,
        ConvNorm Norm = ConvNorm.None,
        bool Relu = false
    )
    {
        /// <summary>Number of maps that are used.</summary>
        internal int Levels => Inputs.Count - StartLevel;
    }

    private readonly ModuleList<ConvModule> lateralConvs;
    private readonly ModuleList<ConvModule> fpnConvs;
    private readonly Config config;

    /// <summary>A pyramid whose convolutions start Xavier-uniform, with biases zero.</summary>
    /// <exception cref="ArgumentException">No map is used, or there are fewer outputs than maps used.</exception>
    public Fpn(Config config)
    {
        this.config = config;
        if (config.StartLevel < 0 || config.Levels < 1)
            throw new ArgumentException($"the start level {config.StartLevel} must be one of {config.Inputs.Count} maps", nameof(config));
        if (config.Outputs < config.Levels)
            throw new ArgumentException(
                $"{config.Outputs} outputs are too few: there must be at least {config.Levels}, one for each map used",
                nameof(config)
            );
        lateralConvs = new(config.Inputs.Skip(config.StartLevel).Select(inputs => Create(inputs, 1, 1)));
        var extra = config.Extra == FpnExtra.None ? 0 : config.Outputs - config.Levels;
        fpnConvs = new(
            Enumerable
                .Range(0, config.Levels)
                .Select(_ => Create(config.Width, 3, 1))
                .Concat(
                    Enumerable
                        .Range(0, extra)
                        .Select(i => Create(i == 0 && config.Extra == FpnExtra.OnInput ? config.Inputs[^1] : config.Width, 3, 2))
                )
        );
    }

    private ConvModule Create(int inputs, int kernel, int stride)
    {
        var module = new ConvModule(inputs, config.Width, kernel, stride, config.Norm, config.Relu);
        Init.XavierUniform(module.Convolution.Weight);
        return module;
    }

    /// <summary>Its sizes and options.</summary>
    public Config Options => config;

    /// <summary>Maps [B, C_i, H_i, W_i] from fine to coarse to as many outputs [B, width, H, W] as the options say.</summary>
    /// <exception cref="ShapeException">There are not as many maps as the pyramid was made for.</exception>
    protected override IReadOnlyList<Tensor> Forward(IReadOnlyList<Tensor> input)
    {
        if (input.Count != config.Inputs.Count)
            throw new ShapeException($"the feature pyramid takes {config.Inputs.Count} maps, not {input.Count}");
        Tensor[] laterals = [.. lateralConvs.Select((conv, i) => conv.Call(input[i + config.StartLevel]))];
        for (var i = laterals.Length - 1; i > 0; i--)
        {
            var finer = laterals[i - 1];
            laterals[i - 1] = finer + laterals[i].UpsampleNearest2d((finer.Size(2), finer.Size(3)));
        }
        List<Tensor> outputs = [.. laterals.Select((lateral, i) => fpnConvs[i].Call(lateral))];
        for (var i = outputs.Count; i < config.Outputs; i++)
            outputs.Add(Further(i, input, laterals, outputs));
        return outputs;
    }

    private Tensor Further(int index, IReadOnlyList<Tensor> input, Tensor[] laterals, List<Tensor> outputs)
    {
        if (config.Extra == FpnExtra.None)
            return outputs[^1].MaxPool2d(1, 2);
        if (index > config.Levels)
            return fpnConvs[index].Call(config.ReluBeforeExtra ? outputs[^1].Relu() : outputs[^1]);
        return fpnConvs[index]
            .Call(
                config.Extra switch
                {
                    FpnExtra.OnInput => input[^1],
                    FpnExtra.OnLateral => laterals[^1],
                    _ => outputs[^1],
                }
            );
    }

    /// <summary>
    /// Loads the pyramid of a checkpoint: one by itself, or that of a detector or segmenter of mmdetection, mmsegmentation (below
    /// <c>neck.</c>) or torchvision of any age (below <c>backbone.fpn.</c>); all other weights are passed over.
    /// </summary>
    /// <param name="state">The checkpoint's tensors by name.</param>
    /// <exception cref="StateDictException">Names or shapes do not fit.</exception>
    public void LoadPretrained(IReadOnlyDictionary<string, Tensor> state) => LoadStateDict(FpnNames.Find(state, config.Levels));
}
