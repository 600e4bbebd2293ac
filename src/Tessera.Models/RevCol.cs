using System.Globalization;
using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// RevCol: a row of equal columns of convolutions, joined so that a column's input can be recomputed from its output; training
/// then needs no memory for what lies inside. Cai et al., "Reversible Column Networks", 2022, arXiv:2212.11696.
/// </summary>
/// <remarks>
/// With intermediate supervision a head stands behind every quarter of the columns and a decoder that paints the image again
/// behind all but the last; <see cref="Model.Run(ModelInput)"/> gives their outputs as <see cref="Head"/> and <see cref="Image"/>. Factors
/// nearer to zero than 0.001 are moved there before a forward pass, as the columns could not be reversed otherwise. Names and
/// order of the weights are the authors'; heads and decoders of training may be missing where a single head is asked for.
/// </remarks>
public sealed partial class RevCol : ConfiguredBackbone<RevCol.Config>
{
    /// <summary>What is kept for the backward pass.</summary>
    public enum Backpropagation
    {
        /// <summary>Everything, as usual.</summary>
        Plain,

        /// <summary>The four maps between the columns: rounding errors stay inside of one column. The authors' way.</summary>
        Boundary,

        /// <summary>
        /// The maps after the last column, and after every twelfth: hardly more memory for more columns. Sums are taken in float64, as
        /// rounding errors grow with every column.
        /// </summary>
        Full,
    }

    // Errors of recomputed features grow about fourfold per column (RevCol-T at its initial weights): over twelve columns those
    // of float64 stay below what the levels see.
    private const int Stretch = 12;

    /// <summary>Name of the logits of an intermediate head among the outputs, [B, classes].</summary>
    public static string Head(int number) => $"head{number}";

    /// <summary>Name of a reconstruction among the outputs: logits of the image's values in [0, 1], [B, 3, H, W].</summary>
    public static string Image(int number) => $"image{number}";

    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of 32.</param>
    /// <param name="Widths">Channels of the four levels.</param>
    /// <param name="Layers">Blocks of the four levels of a column.</param>
    /// <param name="Columns">Number of columns; with supervision a multiple of 4.</param>
    /// <param name="Supervision">Whether columns between have heads and decoders.</param>
    /// <param name="Huge">Whether level 0 also reads level 3 of the column before.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Kernel">Side of the blocks' kernels.</param>
    /// <param name="SimpleDecoder">One convolution instead of three stages; null: above 1000 classes.</param>
    /// <param name="DropPath">Stochastic depth of the last block of every column.</param>
    /// <param name="HeadScale">Factor of the single head's initial weights: 0.001 for fine-tuning.</param>
    /// <param name="Mode">What is kept for the backward pass.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        IReadOnlyList<int> Widths,
        IReadOnlyList<int> Layers,
        int Columns,
        bool Supervision = true,
        bool Huge = false,
        int Classes = 1000,
        int Channels = 3,
        int Kernel = 3,
        bool? SimpleDecoder = null,
        double DropPath = 0,
        double HeadScale = 1,
        Backpropagation Mode = Backpropagation.Boundary
    ) : BackboneConfig
    {
        /// <inheritdoc/>
        public override BackboneConfig With(ModelOptions options) =>
            (Config)base.With(options) with
            {
                DropPath = options.DropPath ?? DropPath,
            };
    }

    [NotRegistered]
    private readonly Sequential stem;

    [NotRegistered]
    private readonly RevColumn[] columns;

    [NotRegistered]
    private readonly ModuleList<RevColDecoder>? decoders;

    [NotRegistered]
    private ModuleList<Classifier>? heads; // one per supervised column; null without classes

    /// <summary>
    /// A model with the authors' initialisation: weights truncated normal 0.02, biases zero, factors 0.5, layer scale 1e-6.
    /// </summary>
    public RevCol(Config config)
        : base(config)
    {
        if (config.Supervision && config.Columns % 4 != 0)
            throw new ArgumentException($"intermediate supervision needs a multiple of 4 columns, not {config.Columns}", nameof(config));
        if (config.Supervision && config.HeadScale != 1)
            throw new ArgumentException(
                "HeadScale must be 1 with intermediate supervision: it scales the weights of a single head",
                nameof(config)
            );
        Check(config.ImageSize);
        stem = new Sequential(new Conv2d(config.Channels, config.Widths[0], 4, 4), new ChannelNorm(config.Widths[0], 1e-6));
        var rates = Nn.DropPath.Rates(config.DropPath, config.Layers.Sum());
        columns =
        [
            .. Enumerable
                .Range(0, config.Columns)
                .Select(i => new RevColumn(config.Widths, config.Layers, config.Kernel, i == 0, config.Huge, rates)),
        ];
        if (config.Supervision)
            decoders = new(
                Enumerable.Range(0, 3).Select(_ => new RevColDecoder(config.Widths, config.SimpleDecoder ?? config.Classes > 1000))
            );
        foreach (var (_, module) in NamedModules())
            Initialize(module);
        heads = NewHeads();
    }

    private static void Initialize(Module module)
    {
        var (weight, bias) = module switch
        {
            Linear linear => (linear.Weight, linear.Bias),
            Conv2d conv => (conv.Weight, conv.Bias),
            _ => (null, null),
        };
        if (weight is not null)
            Init.TruncatedNormal(weight, 0.02);
        if (bias is not null)
            Init.Zeros(bias);
    }

    private ModuleList<Classifier>? NewHeads() =>
        Options.Classes == 0
            ? null
            : new(
                Enumerable
                    .Range(0, Options.Supervision ? 4 : 1)
                    .Select(_ => new Classifier(Options.Widths[3], Options.Classes, Options.HeadScale))
            );

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        base.ListMembers(members);
        members.Add("stem", stem);
        foreach (var (i, column) in columns.Index())
            members.Add(string.Create(CultureInfo.InvariantCulture, $"subnet{i}"), column);
        if (Options.Supervision)
            members.Add("cls_blocks", heads);
        else
            members.Add("cls", heads?[0]);
        members.Add("decoder_blocks", decoders);
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Widths[3];

    /// <summary>The columns; their outputs are their maps of stride 32.</summary>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, Options.Columns).Select(i => $"subnet{i}")];

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassifierNames =>
        [
            .. (Options.Supervision ? Enumerable.Range(0, 4).Select(i => $"cls_blocks.{i}") : ["cls"]).SelectMany(head =>
                new[] { $"{head}.classifier.1.weight", $"{head}.classifier.1.bias" }
            ),
        ];

    /// <summary>What is kept for the backward pass; may change between steps.</summary>
    public Backpropagation Mode
    {
        get => Options.Mode;
        set => Options = Options with { Mode = value };
    }

    /// <summary>Parameters without the heads and decoders that prediction does not need.</summary>
    public long InferenceParameters =>
        ParameterCount - (decoders?.ParameterCount ?? 0) - (heads?.SkipLast(1).Sum(head => head.ParameterCount) ?? 0);

    private static void Check((int Height, int Width) size)
    {
        if (size.Height % 32 != 0 || size.Width % 32 != 0)
            throw new ShapeException($"an image of {size.Height} x {size.Width} does not fit: both sides must be multiples of 32");
    }

    private bool IsSupervised(int column) =>
        Options.Supervision && column < Options.Columns - 1 && (column + 1) % (Options.Columns / 4) == 0;

    // Features of the last column, and c3 of the supervised ones before it.
    private (Tensor[] Last, IReadOnlyList<Tensor> Supervised) Run(Tensor image)
    {
        Check(((int)image.Size(2), (int)image.Size(3)));
        KeepInvertible();
        var s = stem.Call(image);
        var mode = Torch.GradEnabled ? Options.Mode : Backpropagation.Plain;
        var relay = mode == Backpropagation.Full ? new ReversibleColumn.Relay() : null;
        Tensor[]? features = null;
        var supervised = new List<Tensor>();
        foreach (var (i, column) in columns.Index())
        {
            var before = features;
            features =
                mode == Backpropagation.Plain
                    ? column.Call((s, before))
                    : ReversibleColumn.Run(column, s, before, relay, i == Options.Columns - 1 || (i + 1) % Stretch == 0);
            // Two columns' maps are needed at a time: the others should not wait for the end of the pass.
            foreach (var map in (before ?? []).Except(supervised))
                map.Dispose();
            if (IsSupervised(i))
                supervised.Add(features[3]);
        }
        if (mode == Backpropagation.Full)
            return ([.. features!.Select(map => map.To(s.DType))], [.. supervised.Select(map => map.To(s.DType))]);
        return (features!, supervised);
    }

    // Outside of the graph and only where needed: a change in place would spoil graphs of earlier passes.
    private void KeepInvertible()
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        Tensor[] alphas = [.. columns.SelectMany(column => column.Alphas)];
        if (Torch.Cat([.. alphas.Select(alpha => alpha.Flatten())]).Abs().Min().ToDouble() >= RevColumn.LeastAlpha)
            return;
        foreach (var alpha in alphas)
            alpha.Copy_(Torch.Where(alpha < 0, alpha.ClampMax(-RevColumn.LeastAlpha), alpha.ClampMin(RevColumn.LeastAlpha)));
    }

    /// <summary>The last column's map of stride 32, [B, C, H / 32, W / 32]; the norm belongs to the head.</summary>
    protected override Tensor Features(Tensor input) => Run(input).Last[3];

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Mean([2, 3]);

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) => heads is null ? pooled : heads[^1].Call(pooled);

    /// <inheritdoc/>
    protected override Outputs ForwardOutputs(ModelInput input)
    {
        var (last, supervised) = Run(input.Inputs);
        var named = new Dictionary<string, Tensor>();
        foreach (var (i, map) in supervised.Index())
        {
            if (heads is not null)
                named[Head(i)] = heads[i].Call(Pool(map));
            named[Image(i)] = decoders![i].Call(map);
        }
        return new Outputs(Classify(Pool(last[3]))) { Named = named };
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) =>
        [.. Run(input).Last.Select((map, level) => new FeatureMap(map, 4 << level))];

    /// <summary>
    /// How exactly the features before every column can be recomputed from those after the last: relative errors from left to right, in
    /// evaluation.
    /// </summary>
    /// <param name="image">Images.</param>
    /// <param name="wide">Whether sums are taken in float64, as <see cref="Backpropagation.Full"/> does.</param>
    public IReadOnlyList<double> RecomputationErrors(Tensor image, bool wide = true)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        return ReversibleColumn.RecomputationErrors(columns, stem.Call(image), wide);
    }

    /// <summary>The features of stride 16 of some columns, from the first to the last.</summary>
    protected override IEnumerable<Insight> Insights(Tensor image)
    {
        var features = RecordDuring(image, "subnet*.c2");
        return Insight
            .Spread([.. Enumerable.Range(0, Options.Columns)], 6)
            .Select(column => Insight.Norms($"column {column + 1}", features[$"subnet{column}.c2"]));
    }

    /// <inheritdoc/>
    public override void ResetClassifier(int classes)
    {
        Options = Options with { Classes = classes };
        heads = NewHeads();
        heads?.To(columns[0].Alphas[0].Device, columns[0].Alphas[0].DType);
    }

    /// <inheritdoc/>
    public override void Resize(int height, int width)
    {
        Check((height, width));
        Options = Options with { ImageSize = (height, width) };
    }

    /// <summary>A model with a single head takes the last one of a supervised checkpoint and leaves the others and the decoders.</summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        if (Options.Supervision)
            return;
        foreach (
            var name in state
                .Keys.Where(name =>
                    name.StartsWith("cls_blocks.", StringComparison.Ordinal) || name.StartsWith("decoder_blocks.", StringComparison.Ordinal)
                )
                .ToArray()
        )
        {
            if (name.StartsWith("cls_blocks.3.", StringComparison.Ordinal))
                state.TryAdd("cls." + name["cls_blocks.3.".Length..], state[name]);
            state.Remove(name);
        }
    }

    /// <summary>Norm and linear map of the pooled features.</summary>
    private sealed partial class Classifier : Layer
    {
        private readonly Sequential classifier;

        public Classifier(int width, int classes, double scale)
        {
            var linear = new Linear(width, classes);
            Initialize(linear);
            classifier = new Sequential(new LayerNorm(width, 1e-6), linear);
            if (scale == 1)
                return;
            using var outside = Torch.NoGrad();
            linear.Weight.Mul_(scale);
            linear.Bias!.Mul_(scale);
        }

        protected override Tensor Forward(Tensor input) => classifier.Call(input);
    }

    private const string Paper = "Reversible Column Networks, 2022, arXiv:2212.11696";
    private const string Supervised = "with the four heads and three decoders of training";

    private static readonly Config tiny = Size(width: 64, layers: [2, 2, 4, 2], columns: 4, dropPath: 0.1);
    private static readonly Config small = Size(width: 64, layers: [2, 2, 4, 2], columns: 8, dropPath: 0.3);
    private static readonly Config basic = Size(width: 72, layers: [1, 1, 3, 2], columns: 16, dropPath: 0.4);
    private static readonly Config large = Size(width: 128, layers: [1, 2, 6, 2], columns: 8, dropPath: 0.5);
    private static readonly Config xlarge = Size(width: 224, layers: [1, 2, 6, 2], columns: 8, dropPath: 0.5);
    private static readonly Config huge = Size(width: 360, layers: [1, 2, 6, 2], columns: 8, dropPath: 0.5) with { Huge = true };

    private static Config Size(int width, int[] layers, int columns, double dropPath) =>
        new(
            ImageSize: (224, 224),
            Widths: [width, 2 * width, 4 * width, 8 * width],
            Layers: layers,
            Columns: columns,
            Supervision: false,
            DropPath: dropPath
        );

    private static Variant Make(
        string name,
        Config size,
        double gmacs,
        double top1,
        string note,
        double? parameters = null,
        int image = 224
    ) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(size with { ImageSize = (image, image) }, config => new RevCol(config)),
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet,
            Note: note
        );

    /// <summary>
    /// The published sizes with a single head; <c>_supervised</c> with the heads and decoders that training from scratch uses.
    /// </summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("revcol_tiny", tiny, gmacs: 4.5, top1: 82.2, note: "published as 30 million parameters, without intermediate heads"),
        Make("revcol_small", small, gmacs: 9.0, top1: 83.5, note: "published as 60 million parameters, without intermediate heads"),
        Make(
            "revcol_base",
            basic,
            parameters: 138,
            gmacs: 16.6,
            top1: 84.1,
            note: "figures without intermediate heads; 85.6 after 22k, 86.7 at 384 pixels"
        ),
        Make("revcol_large", large, parameters: 273, gmacs: 39, top1: 86.6, note: "after 22k; 87.6 at 384 pixels"),
        Make("revcol_xlarge_384", xlarge, image: 384, parameters: 834, gmacs: 350, top1: 88.2, note: "after 22k"),
        Make(
            "revcol_huge_640",
            huge,
            image: 640,
            parameters: 2158,
            gmacs: 2537,
            top1: 90.0,
            note: "after a pre-training on 168 million images that are not public"
        ),
        Make("revcol_tiny_supervised", tiny with { Supervision = true }, parameters: 33.06, gmacs: 4.5, top1: 82.2, note: Supervised),
        Make("revcol_small_supervised", small with { Supervision = true }, gmacs: 9.0, top1: 83.5, note: Supervised),
        Make("revcol_base_supervised", basic with { Supervision = true }, gmacs: 16.6, top1: 84.1, note: Supervised),
        Variant.Micro(
            "revcol_micro_64",
            Paper,
            config: new Config(
                ImageSize: (64, 64),
                Widths: [24, 48, 96, 192],
                Layers: [1, 1, 2, 1],
                Columns: 4,
                Supervision: false,
                Classes: 10
            ),
            create: config => new RevCol(config)
        ),
        Variant.Micro(
            "revcol_micro_supervised_64",
            Paper,
            config: new Config(ImageSize: (64, 64), Widths: [24, 48, 96, 192], Layers: [1, 1, 2, 1], Columns: 4, Classes: 10),
            create: config => new RevCol(config)
        ),
    ];
}
