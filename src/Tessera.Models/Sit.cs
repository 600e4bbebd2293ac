using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>The three systems that carry the name SiT.</summary>
public enum SitVersion
{
    /// <summary>The release of 2021: a rotation token and a contrastive token.</summary>
    V1,

    /// <summary>The revision of June 2022: two class tokens, positions for any image size.</summary>
    V1b,

    /// <summary>The current system, of December 2022: one class token, positions for any image size.</summary>
    V2,
}

/// <summary>
/// SiT: a plain pre-norm vision transformer that is pre-trained by rebuilding images of which groups of pixels were destroyed.
/// Atito et al., "SiT: Self-supervised vIsion Transformer", 2021, arXiv:2104.03602. Names and order of the weights are the authors'.
/// </summary>
/// <remarks>
/// With two tokens in front (v1, v1b), each token has a classifier: training adds the losses of both, and the prediction is the mean of
/// their logits. With one (v2), a classifier of two layers sees the class token and the mean of the patch tokens.
/// </remarks>
public sealed class Sit : ConfiguredBackbone<Sit.Config>
{
    /// <summary>Sizes and options of a SiT.</summary>
    /// <param name="ImageSize">Height and width in pixels, multiples of the patch.</param>
    /// <param name="Patch">Side of a patch.</param>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Depth">Number of blocks.</param>
    /// <param name="Heads">Heads of the attention.</param>
    /// <param name="Version">Which of the three systems.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="QkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="RepresentationSize">v1, v1b: width of a tanh layer before each classifier; null for none.</param>
    /// <param name="Dropout">Dropout of tokens, MLPs and projections.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="Eps">Of all norms.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Patch,
        int Dim,
        int Depth,
        int Heads,
        SitVersion Version = SitVersion.V2,
        int Classes = 1000,
        int Channels = 3,
        double MlpRatio = 4,
        bool QkvBias = true,
        int? RepresentationSize = null,
        double Dropout = 0,
        double DropPath = 0,
        double Eps = 1e-6
    ) : RegularizedConfig;

    private readonly (string Name, Parameter Value)[] tokens; // [1, 1, D] each
    private Parameter posEmbed; // [1, prefix + N, D]
    private readonly PatchEmbed patchEmbed;
    private readonly Dropout drop;
    private readonly ModuleList<Vit.Block> blocks;
    private readonly LayerNorm norm;
    private readonly (string Name, Sequential Layers)[] preLogits; // v1, v1b: one for each token, or none
    private (string Name, Layer Layer)[] heads = []; // one for each token; empty without classes

    /// <summary>A SiT with the authors' initialisation: linear weights, tokens and positions truncated normal 0.02, biases zero.</summary>
    /// <exception cref="ArgumentException">A tanh layer is asked for in v2, which has none.</exception>
    public Sit(Config config)
        : base(config)
    {
        if (config is { Version: SitVersion.V2, RepresentationSize: not null })
            throw new ArgumentException("a SiT of v2 has no tanh layer: RepresentationSize must be null", nameof(config));
        PatchEmbed.CheckSize(config.ImageSize.Height, config.ImageSize.Width, config.Patch);
        tokens = [.. TokenNames.Select(name => (name, Init.TruncatedNormal(new Parameter([1, 1, config.Dim]), 0.02)))];
        posEmbed = Init.TruncatedNormal(new Parameter([1, tokens.Length + Grid.Height * Grid.Width, config.Dim]), 0.02);
        patchEmbed = new PatchEmbed(config.Channels, config.Dim, config.Patch);
        drop = new Dropout(config.Dropout);
        var block = new Vit.Config(
            config.ImageSize,
            config.Patch,
            config.Dim,
            config.Depth,
            config.Heads,
            MlpRatio: config.MlpRatio,
            QkvBias: config.QkvBias,
            Dropout: config.Dropout,
            Eps: config.Eps
        );
        blocks = new(Nn.DropPath.Rates(config.DropPath, config.Depth).Select(rate => new Vit.Block(block, config.Heads, rate)));
        norm = new LayerNorm(config.Dim, config.Eps);
        preLogits = config.RepresentationSize is { } width
            ? [.. HeadNames.Select(name => (PreLogitsName(name), TanhLayer(config.Dim, width)))]
            : [];
        heads = NewHeads();
    }

    private static Sequential TanhLayer(int dim, int width) =>
        TransformerInit.Linears(new Sequential(("fc", new Linear(dim, width)), ("act", new Tanh())));

    private static string PreLogitsName(string head) => $"pre_logits_{head[..head.LastIndexOf('_')]}";

    private string[] TokenNames =>
        Options.Version switch
        {
            SitVersion.V1 => ["rot_token", "contrastive_token"],
            SitVersion.V1b => ["cls_token1", "cls_token2"],
            _ => ["cls_token"],
        };

    private string[] HeadNames =>
        Options.Version switch
        {
            SitVersion.V1 => ["rot_head", "contrastive_head"],
            SitVersion.V1b => ["rot_head", "contr_head"],
            _ => ["head"],
        };

    private (string, Layer)[] NewHeads() => Classes == 0 ? [] : [.. HeadNames.Select(name => (name, TransformerInit.Linears(NewHead())))];

    private Layer NewHead() =>
        Options.Version == SitVersion.V2
            ? new Sequential(new Linear(2 * Options.Dim, Options.Dim), new Gelu(), new Linear(Options.Dim, Classes))
            : new Linear(NumFeatures, Classes);

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        foreach (var (name, token) in tokens)
            members.Add(name, token);
        members.Add("pos_embed", posEmbed);
        members.Add("patch_embed", patchEmbed);
        members.Add("pos_drop", drop);
        members.Add("blocks", blocks);
        members.Add("norm", norm);
        foreach (var (name, layers) in preLogits)
            members.Add(name, layers);
        foreach (var (name, head) in heads)
            members.Add(name, head);
    }

    /// <summary>The width of a token, or of its tanh layer; v2: of class token and mean of the patch tokens together.</summary>
    public override int NumFeatures => Options.Version == SitVersion.V2 ? 2 * Options.Dim : Options.RepresentationSize ?? Options.Dim;

    /// <inheritdoc/>
    public override int NumPrefixTokens => tokens.Length;

    /// <summary>Of v2 alone: the other versions have a token for each of their pretexts.</summary>
    public override bool HasClassToken => Options.Version == SitVersion.V2;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, Options.Depth).Select(i => $"blocks.{i}")];

    /// <inheritdoc/>
    public override IReadOnlyList<TransformerWeights> Transformer => [.. blocks.Select(block => block.Weights)];

    /// <summary>In v1, tokens and positions; the other versions decay whatever has several dimensions.</summary>
    public override bool NoWeightDecay(string name) =>
        Options.Version == SitVersion.V1 && name is "rot_token" or "contrastive_token" or "pos_embed";

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassifierNames =>
        Options.Version == SitVersion.V2
            ? ["head.0.weight", "head.0.bias", "head.2.weight", "head.2.bias"]
            :
            [
                .. (Classes == 0 ? [] : preLogits).SelectMany(layer => (string[])[$"{layer.Name}.fc.weight", $"{layer.Name}.fc.bias"]),
                .. HeadNames.SelectMany(name => (string[])[$"{name}.weight", $"{name}.bias"]),
            ];

    private (int Height, int Width) Grid => (Options.ImageSize.Height / Options.Patch, Options.ImageSize.Width / Options.Patch);

    private bool AnySize => Options.Version != SitVersion.V1;

    private PositionResampling Resampling => AnySize ? PositionResampling.BicubicByFactors : PositionResampling.Bicubic;

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, prefix + N, D]
    {
        if (!AnySize)
            ExpectOwnSize(input);
        var x = Record("patch_tokens", patchEmbed.Call(input));
        x = Torch.Cat([.. tokens.Select(token => ((Tensor)token.Value).Expand([input.Size(0), -1, -1])), x], 1);
        var to = ((int)input.Size(2) / Options.Patch, (int)input.Size(3) / Options.Patch);
        x = Record("embedded", drop.Call(x + PositionTable.Resample(posEmbed, Grid, to, NumPrefixTokens, Resampling)));
        foreach (var block in blocks)
            x = block.Call(x);
        return Record("normed", norm.Call(x));
    }

    /// <summary>v1, v1b: both tokens [B, 2, R], since each has a classifier; v2: class token and mean of the patches [B, 2 D].</summary>
    protected override Tensor Pool(Tensor features)
    {
        if (Options.Version == SitVersion.V2)
            return Torch.Cat([features.Select(1, 0), features.Slice(1, 1).Mean([1])], 1);
        return Torch.Stack([.. tokens.Select((_, i) => Tanh(i, features.Select(1, i)))], 1);
    }

    private Tensor Tanh(int token, Tensor x) => preLogits.Length == 0 ? x : preLogits[token].Layers.Call(x);

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) =>
        heads.Length == 0 ? (pooled.Dim == 3 ? pooled.Mean([1]) : pooled)
        : Options.Version == SitVersion.V2 ? heads[0].Layer.Call(pooled)
        : EachHead(pooled).Mean([0]);

    // [2, B, classes]
    private Tensor EachHead(Tensor pooled) => Torch.Stack([.. heads.Select((head, i) => head.Layer.Call(pooled.Select(1, i)))], 0);

    /// <summary>The prediction, and the logits of each head where there are two (<see cref="Outputs.Heads"/>).</summary>
    protected override Outputs ForwardOutputs(ModelInput input)
    {
        if (Options.Version == SitVersion.V2 || heads.Length == 0)
            return base.ForwardOutputs(input);
        var each = EachHead(Pool(Features(input.Inputs)));
        return new(each.Mean([0])) { Named = new Dictionary<string, Tensor> { [Outputs.Heads] = each } };
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input)
    {
        var (batch, height, width) = (input.Size(0), input.Size(2) / Options.Patch, input.Size(3) / Options.Patch);
        var patches = Features(input).Slice(1, NumPrefixTokens);
        return [new(patches.Transpose(1, 2).Reshape(batch, Options.Dim, height, width), Options.Patch)];
    }

    /// <inheritdoc/>
    public override void ResetClassifier(int classes)
    {
        Options = Options with { Classes = classes };
        heads = NewHeads();
        foreach (var (_, head) in heads)
            head.To(posEmbed.Device, posEmbed.DType);
    }

    internal override long ClassesOf(string name, Tensor tensor) =>
        name.StartsWith("head.0.", StringComparison.Ordinal) ? Classes : tensor.Size(0);

    /// <inheritdoc/>
    public override void Resize(int height, int width)
    {
        PatchEmbed.CheckSize(height, width, Options.Patch);
        var before = Grid;
        Options = Options with { ImageSize = (height, width) };
        posEmbed = PositionTable.ResampleParameter(posEmbed, before, Grid, NumPrefixTokens, Resampling);
    }

    /// <summary>
    /// Files of a pre-training: the heads of its tasks are left out, and in v2 names lie under <c>backbone.</c> Positions of another grid
    /// are resampled.
    /// </summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        const string backbone = "backbone.";
        if (state.Keys.Any(name => name.StartsWith(backbone, StringComparison.Ordinal)))
            foreach (var (name, tensor) in state.ToArray())
            {
                state.Remove(name);
                if (name.StartsWith(backbone, StringComparison.Ordinal))
                    state[name[backbone.Length..]] = tensor;
            }
        if (state.Keys.Any(IsOfPretraining))
            foreach (var name in state.Keys.Where(name => IsOfPretraining(name) || IsHead(name)).ToArray())
                state.Remove(name);
        PositionTable.Fit(state, "pos_embed", posEmbed, Grid, NumPrefixTokens, Resampling);
    }

    // What only a pre-training of v1 or v1b has: rebuilding images and the weights of the tasks.
    private static bool IsOfPretraining(string name) =>
        name is "rot_w" or "contrastive_w" or "recons_w" or "contr_w" or "rec_w"
        || name.StartsWith("convTrans.", StringComparison.Ordinal)
        || name.StartsWith("rec_head.", StringComparison.Ordinal);

    // They tell rotations and embeddings there, not classes, even where their shapes fit.
    private bool IsHead(string name) => HeadNames.Any(head => name.StartsWith($"{head}.", StringComparison.Ordinal));

    private const string Paper = "SiT: Self-supervised vIsion Transformer, 2021, arXiv:2104.03602";

    private static readonly Config basic = new(ImageSize: (224, 224), Patch: 16, Dim: 768, Depth: 12, Heads: 12, DropPath: 0.1);
    private static readonly Config micro = new(ImageSize: (32, 32), Patch: 4, Dim: 192, Depth: 6, Heads: 3, Classes: 10, DropPath: 0.1);

    private static Variant Make(string name, Config size, string note, double? gmacs = null) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(size, config => new Sit(config)),
            ImageSize: size.ImageSize.Height,
            GMacs: gmacs,
            Preprocessing: Preprocessing.ImageNet,
            Note: note
        );

    /// <summary>The published sizes, and a small one of each version for images of 32 pixels.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("sit_tiny_patch16_224", basic with { Dim = 192, Heads = 3 }, "v2; 5.52 M without classifier"),
        Make("sit_small_patch16_224", basic with { Dim = 384, Heads = 6 }, "v2; 21.67 M without classifier", gmacs: 4.6),
        Make("sit_base_patch16_224", basic, "v2; 85.80 M without classifier", gmacs: 17.6),
        Make("sit_v1_base_patch16_224", basic with { Version = SitVersion.V1 }, "v1; 85.82 M for 10 classes", gmacs: 17.6),
        Make(
            "sit_v1_base_mlp_patch16_224",
            basic with
            {
                Version = SitVersion.V1,
                RepresentationSize = 1024,
            },
            "v1; a tanh layer of 1024 before each classifier",
            gmacs: 17.6
        ),
        Make("sit_v1b_small_patch16_224", basic with { Dim = 384, Heads = 6, Version = SitVersion.V1b }, "v1b", gmacs: 4.6),
        Make("sit_v1b_base_patch16_224", basic with { Version = SitVersion.V1b }, "v1b", gmacs: 17.6),
        Variant.Micro("sit_micro_patch4_32", Paper, micro, config => new Sit(config)),
        Variant.Micro("sit_v1_micro_patch4_32", Paper, micro with { Version = SitVersion.V1 }, config => new Sit(config)),
        Variant.Micro("sit_v1b_micro_patch4_32", Paper, micro with { Version = SitVersion.V1b }, config => new Sit(config)),
    ];
}
