using System.Text.Json;
using Tessera.Models;
using Tessera.Nn;

namespace Tessera.Tests.Models;

/// <summary>
/// Registered models with the structure of the real ones, but few channels, blocks and pixels. Variants that differ in size
/// alone have one reduced form, under the name of the first.
/// </summary>
internal static class Reduced
{
    /// <summary>Classes of every reduced model.</summary>
    public const int Classes = 5;

    private const string Dense = "_dense";
    private static readonly JsonSerializerOptions fields = new() { IncludeFields = true };
    private static readonly Lazy<IReadOnlyDictionary<string, Func<Backbone>>> all = new(Collect);

    /// <summary>
    /// A name per structure: that of a variant, with a suffix where it is its form for dense tasks or has an option that no variant has.
    /// </summary>
    public static IEnumerable<string> Names => all.Value.Keys;

    /// <summary>Whether a name is that of a form for dense tasks.</summary>
    public static bool IsDense(string name) => name.EndsWith(Dense, StringComparison.Ordinal);

    /// <summary>Heads for the models of images, each with the name of its model.</summary>
    /// <param name="heads">
    /// Names of heads for a model; told whether it is the first of its class, or the first of these in its form for dense tasks: the others
    /// differ by little that a head sees.
    /// </param>
    public static TheoryData<string, string> UnderHeads(Func<bool, IEnumerable<string>> heads)
    {
        var pairs = new TheoryData<string, string>();
        var families = new HashSet<(Type, bool)>();
        using var skip = Init.Skip();
        foreach (var name in Names)
        {
            using var scope = Torch.Scope();
            var model = Create(name);
            if (!model.TakesImages)
                continue;
            foreach (var head in heads(families.Add((model.GetType(), IsDense(name)))))
                pairs.Add(head, name);
        }
        return pairs;
    }

    /// <summary>A reduced model, freshly initialised.</summary>
    public static Backbone Create(string name) => all.Value[name]();

    private static Dictionary<string, Func<Backbone>> Collect()
    {
        var found = new Dictionary<string, Func<Backbone>>();
        var seen = new HashSet<string>();
        using var skip = Init.Skip();
        foreach (var variant in Registry.All)
        {
            using var scope = new Scope();
            var model = variant.Create(new());
            foreach (var (suffix, config, build) in Forms(model))
                if (seen.Add($"{model.GetType().Name} {JsonSerializer.Serialize(config, config.GetType(), fields)}"))
                    found[variant.Name + suffix] = build;
            foreach (var tensor in model.StateDict().Values)
                tensor.Dispose();
        }
        return found;
    }

    private static IEnumerable<(string Suffix, object Config, Func<Backbone> Build)> Forms(Backbone model) =>
        model switch
        {
            Deit m => Form(Of(m.Options), c => new Deit(c)),
            Vit m => Form(Of(m.Options), c => new Vit(c)),
            Sit m => Form(
                m.Options with
                {
                    ImageSize = (2 * m.Options.Patch, 3 * m.Options.Patch),
                    Dim = 24,
                    Depth = 2,
                    Heads = 3,
                    Classes = Classes,
                    RepresentationSize = m.Options.RepresentationSize is null ? null : 16,
                    DropPath = 0,
                },
                c => new Sit(c)
            ),
            TinyMimStar m => Form(
                m.Options with
                {
                    ImageSize = (2 * m.Options.Patch, 3 * m.Options.Patch),
                    Dim = 24,
                    Depth = 2,
                    Heads = 3,
                    Wide = 40,
                    Classes = Classes,
                    DropPath = 0,
                },
                c => new TinyMimStar(c)
            ),
            Cct m => Form(Of(m.Options), c => new Cct(c)),
            TextCct m => Form(
                m.Options with
                {
                    Length = 12,
                    Vocabulary = 50,
                    WordDim = 16,
                    Dim = 16,
                    Depth = 2,
                    Heads = 2,
                    MlpRatio = 1,
                    Classes = Classes,
                },
                c => new TextCct(c)
            ),
            ResNet m => Form(m.Options with { ImageSize = (32, 64), Layers = [1, 1, 1, 1], Classes = Classes }, c => new ResNet(c)),
            CifarResNet m => Residual(m.Options with { ImageSize = (16, 24), BlocksPerStage = 1, Classes = Classes }),
            RegNet m => Form(
                m.Options with
                {
                    ImageSize = (32, 64),
                    Depths = [1, 1, 2, 1],
                    Widths = [16, 16, 24, 32],
                    GroupWidth = 8,
                    StemWidth = 16,
                    Classes = Classes,
                },
                c => new RegNet(c)
            ),
            EfficientNet m => Form(
                m.Options with
                {
                    ImageSize = (32, 64),
                    WidthFactor = 0.25,
                    DepthFactor = 0.5,
                    DropPath = 0,
                    Classes = Classes,
                },
                c => new EfficientNet(c)
            ),
            NfNet m => Form(
                m.Options with
                {
                    ImageSize = (32, 64),
                    Depths = [1, 2, 1, 1],
                    Widths = [16, 32, 48, 48],
                    StemWidth = 16,
                    GroupWidth = 8,
                    Dropout = 0,
                    DropPath = 0,
                    Classes = Classes,
                },
                c => new NfNet(c)
            ),
            Xcit m => Form(
                m.Options with
                {
                    ImageSize = (2 * m.Options.Patch, 3 * m.Options.Patch),
                    Dim = 32,
                    Depth = 1,
                    Heads = 4,
                    LayerScale = 1,
                    PositionHidden = 4,
                    Classes = Classes,
                },
                c => new Xcit(c)
            ),
            LvVit m => Form(Of(m.Options), c => new LvVit(c)),
            DynamicVit m => Form(
                m.Options with
                {
                    ImageSize = (32, 32),
                    Patch = 4,
                    Dim = 24,
                    Depth = 4,
                    Heads = 3,
                    PruningLayers = [1, 2, 3],
                    Filters = Math.Min(8, m.Options.Filters),
                    Classes = Classes,
                    DropPath = 0,
                },
                c => new DynamicVit(c)
            ),
            Swin m => Windows(
                m.Options with
                {
                    ImageSize = (32, 64),
                    Dim = 16,
                    Depths = [2, 2],
                    Heads = [2, 2],
                    Window = 4,
                    Patch = 2,
                    Classes = Classes,
                    DropPath = 0,
                }
            ),
            Dhvt m => Form(
                m.Options with
                {
                    ImageSize = (2 * m.Options.Patch, 3 * m.Options.Patch),
                    Dim = 32,
                    Depth = 2,
                    Heads = 4,
                    Classes = Classes,
                },
                c => new Dhvt(c)
            ),
            CvT m => Form(
                m.Options with
                {
                    ImageSize = (32, 48),
                    Stages = [.. m.Options.Stages.Select((s, i) => s with { Dim = 8 * (i + 1), Depth = 1, Heads = i + 1, DropPath = 0 })],
                    Classes = Classes,
                },
                c => new CvT(c)
            ),
            Cmt m => Form(
                m.Options with
                {
                    ImageSize = (32, 64),
                    Dims = [8, 16, 24, 32],
                    Depths = [1, 1, 2, 1],
                    Heads = [1, 2, 3, 4],
                    MlpRatios = [2, 2, 2, 2],
                    Stem = 4,
                    HeadWidth = 40,
                    HeadDropout = 0.1,
                    Classes = Classes,
                },
                c => new Cmt(c)
            ),
            HatNet m => Form(
                m.Options with
                {
                    ImageSize = (64, 96),
                    Dims = [16, 32, 48, 64],
                    HeadDim = 16,
                    Depths = [1, 1, 1, 1],
                    Expansions = [2, 2, 2, 2],
                    Classes = Classes,
                },
                c => new HatNet(c)
            ),
            Sret m => Form(Of(m.Options), c => new Sret(c)),
            InternImage m => Form(
                m.Options with
                {
                    ImageSize = (32, 64),
                    Dim = 16,
                    Depths = [1, 1, 2, 1],
                    Groups = [2, 4, 8, 16],
                    Level2PostNorm = m.Options.Level2PostNorm is null ? null : [1],
                    DropPath = 0,
                    Classes = Classes,
                },
                c => new InternImage(c)
            ),
            Mixer m => Form(m.Options with { ImageSize = (16, 24), Patch = 4, Dim = 24, Depth = 2, Classes = Classes }, c => new Mixer(c)),
            ResMlp m => Form(
                m.Options with
                {
                    ImageSize = (16, 24),
                    Patch = 4,
                    Dim = 24,
                    Depth = 2,
                    LayerScale = 0.1,
                    Classes = Classes,
                },
                c => new ResMlp(c)
            ),
            GMlp m => Form(
                m.Options with
                {
                    ImageSize = (16, 24),
                    Patch = 4,
                    Dim = 24,
                    Depth = 2,
                    DropPath = 0,
                    Classes = Classes,
                },
                c => new GMlp(c)
            ),
            Vip m => Form(Of(m.Options), c => new Vip(c)),
            S2Mlp m => Form(
                m.Options with
                {
                    ImageSize = (32, 48),
                    Patches = [.. m.Options.Patches.Select((_, i) => i == 0 ? 4 : 2)],
                    Dims = [.. m.Options.Dims.Select((_, i) => 16 * (i + 1))],
                    Depths = [.. m.Options.Depths.Select(_ => 1)],
                    MlpRatios = [.. m.Options.Depths.Select(_ => 2.0)],
                    Classes = Classes,
                },
                c => new S2Mlp(c)
            ),
            CycleMlp m => Form(
                m.Options with
                {
                    ImageSize = (64, 96),
                    Depths = [1, 1, 1, 1],
                    Dims = [16, 24, 32, 40],
                    MlpRatios = [2, 2, 2, 2],
                    Classes = Classes,
                },
                c => new CycleMlp(c)
            ),
            AsMlp m => Form(
                m.Options with
                {
                    ImageSize = (64, 96),
                    Dim = 16,
                    Depths = [1, 1, 1, 1],
                    DropPath = 0,
                    Classes = Classes,
                },
                c => new AsMlp(c)
            ),
            HireMlp m => Form(
                m.Options with
                {
                    ImageSize = (64, 96),
                    Depths = [2, 1, 1, 1],
                    Dims = [16, 24, 32, 40],
                    MlpRatios = [2, 2, 2, 2],
                    DropPath = 0,
                    Classes = Classes,
                },
                c => new HireMlp(c)
            ),
            Sot m => Form(
                m.Options with
                {
                    ImageSize = (56, 56),
                    Dim = 16,
                    Depth = 1,
                    Heads = 2,
                    MlpRatio = 2,
                    PoolHeads = 2,
                    PoolDim = 3,
                    HeadDropout = 0,
                    Classes = Classes,
                },
                c => new Sot(c)
            ),
            Pvt m => Pyramid(
                m.Options with
                {
                    ImageSize = (64, 96),
                    Dims = [8, 16, 16, 32],
                    Depths = [1, 1, 1, 1],
                    Heads = [1, 2, 2, 4],
                    MlpRatios = [2, 2, 2, 2],
                    DropPath = 0,
                    Classes = Classes,
                }
            ),
            Mit m => Form(Of(m.Options), c => new Mit(c)),
            PvtV2 m => Form(Of(m.Options), c => new PvtV2(c)),
            T2tVit m => Form(
                m.Options with
                {
                    ImageSize = (32, 48),
                    Dim = 24,
                    Depth = 2,
                    Heads = 3,
                    MlpRatio = 2,
                    TokenDim = 16,
                    Classes = Classes,
                },
                c => new T2tVit(c)
            ),
            Pit m => Form(
                m.Options with
                {
                    ImageSize = (32, 48),
                    Patch = 8,
                    Stride = 4,
                    HeadDim = 8,
                    Depths = [1, 2, 1],
                    Heads = [2, 4, 8],
                    DropPath = 0,
                    Classes = Classes,
                },
                c => new Pit(c)
            ),
            ConVit m => Form(
                m.Options with
                {
                    ImageSize = (16, 24),
                    Patch = 4,
                    Dim = 40,
                    Depth = 3,
                    Heads = 5,
                    PositionalBlocks = 2,
                    DropPath = 0,
                    Classes = Classes,
                },
                c => new ConVit(c)
            ),
            Glit m => Form(
                m.Options with
                {
                    ImageSize = (16, 24),
                    Patch = 4,
                    Dim = 24,
                    Heads = 3,
                    Blocks = Glit.Config.Decode([0, 1, 2, 3], [4, 4, 4, 4]),
                    DropPath = 0,
                    Classes = Classes,
                },
                c => new Glit(c)
            ),
            Vitas m => Form(
                m.Options with
                {
                    ImageSize = (16, 24),
                    Patch = 4,
                    Dim = 24,
                    Blocks = [new(3, 36, 24), null, new(2, 24, 32)],
                    DropPath = 0,
                    Classes = Classes,
                },
                c => new Vitas(c)
            ),
            PnasNet m => Form(
                m.Options with
                {
                    ImageSize = (64, 96),
                    Filters = 8,
                    CellsPerStage = 1,
                    StemFilters = 8,
                    Dropout = 0,
                    Classes = Classes,
                },
                c => new PnasNet(c)
            ),
            CsWin m => Stripes(
                m.Options with
                {
                    ImageSize = (16 * m.Options.StemStride, 24 * m.Options.StemStride),
                    Dim = 8,
                    Depths = [1, 1, 1, 1],
                    Splits = [1, 2, 2, 7],
                    Heads = [2, 2, 4, 4],
                    DropPath = 0,
                    Classes = Classes,
                }
            ),
            RevCol m => Form(
                m.Options with
                {
                    ImageSize = (32, 64),
                    Widths = [8, 12, 16, 20],
                    Layers = [1, 1, 1, 1],
                    Columns = 4,
                    DropPath = 0,
                    Classes = Classes,
                },
                c => new RevCol(c)
            ),
            VtResNet m => Form(
                m.Options with
                {
                    ImageSize = (32, 64),
                    Layers = [1, 1, 1, 2],
                    Tokens = 4,
                    TokenChannels = 32,
                    Classes = Classes,
                },
                c => new VtResNet(c)
            ),
            BootstrapVit m => Form(
                m.Options with
                {
                    ImageSize = (16, 24),
                    Patch = 4,
                    Dim = 36,
                    Depth = 2,
                    Heads = 9,
                    Hidden = 72,
                    Classes = Classes,
                },
                c => new BootstrapVit(c)
            ),
            AgentCnn m => Form(
                m.Options with
                {
                    ImageSize = (32, 64),
                    Dim = 36,
                    Depth = 2,
                    Hidden = 72,
                    Patch = 8,
                    StemWidth = 16,
                    DownSample = m.Options.DownSample.Count > 0 ? [0] : [],
                    Classes = Classes,
                },
                c => new AgentCnn(c)
            ),
            GuideResNet m => Form(m.Options with { ImageSize = (16, 24), BlocksPerStage = 1, Classes = Classes }, c => new GuideResNet(c)),
            _ => throw new NotSupportedException($"{model.GetType().Name} has no reduced form: add one here"),
        };

    private static IEnumerable<(string, object, Func<Backbone>)> Windows(Swin.Config c) =>
        Form(c, c => new Swin(c), (Dense, c with { Dense = true }), ("_positions", c with { AbsolutePositions = true }));

    private static IEnumerable<(string, object, Func<Backbone>)> Stripes(CsWin.Config c) =>
        Form(c, c => new CsWin(c), (Dense, c with { Dense = true }), ("_plain_values", c with { Lepe = false }));

    private static IEnumerable<(string, object, Func<Backbone>)> Pyramid(Pvt.Config c) =>
        Form(c, c => new Pvt(c), (Dense, c with { Dense = true }));

    private static IEnumerable<(string, object, Func<Backbone>)> Residual(CifarResNet.Config c) =>
        Form(c, c => new CifarResNet(c), ("_projection", c with { ProjectionShortcut = true }));

    private static Vit.Config Of(Vit.Config c) =>
        c with
        {
            ImageSize = (16, 24),
            Patch = 4,
            Dim = 24,
            Depth = 2,
            Heads = 3,
            LastHeads = c.LastHeads is null ? null : 4,
            Classes = Classes,
            DropPath = 0,
        };

    private static Cct.Config Of(Cct.Config c)
    {
        var side = c.Tokenizer.Kernel > 4 ? 48 : 16;
        return c with
        {
            ImageSize = (side, side),
            Dim = 16,
            Depth = 2,
            Heads = 2,
            MlpRatio = 1,
            Tokenizer = c.Tokenizer with { Hidden = 8 },
            Classes = Classes,
        };
    }

    private static LvVit.Config Of(LvVit.Config c) =>
        c with
        {
            ImageSize = (16, 24),
            Patch = 8,
            Dim = 24,
            Depth = 2,
            Heads = 3,
            Divisor = Math.Min(2, c.Divisor),
            Filters = 8,
            DropPath = 0,
            Classes = Classes,
        };

    private static PvtV2.Config Of(PvtV2.Config c) =>
        c with
        {
            ImageSize = (64, 96),
            Dims = [8, 16, 16, 32],
            Depths = [1, 1, 1, 1],
            Heads = [1, 2, 2, 4],
            MlpRatios = [2, 2, 2, 2],
            DropPath = 0,
            Classes = Classes,
        };

    // Slices have to divide the tokens: most do at 64 pixels, those of 14 do not.
    private static Sret.Config Of(Sret.Config c)
    {
        var side = c.Groups?.Contains(14) == true ? 224 : 64;
        int[] blocks = [1, 2, 1];
        return c with
        {
            ImageSize = (side, side),
            BaseDims = [4, 4, 4],
            Heads = [2, 4, 8],
            Blocks = blocks,
            Depth = [.. blocks.Select(b => b * Math.Min(3, c.Depth[0] / c.Blocks[0]))],
            MlpRatio = 2,
            DropPath = 0,
            Classes = Classes,
        };
    }

    // Widths keep their ratios, which say where a stage changes them.
    private static Vip.Config Of(Vip.Config c) =>
        c with
        {
            ImageSize = (32, 48),
            Patch = 4,
            Depths = [.. c.Dims.Select(_ => 1)],
            Dims = [.. c.Dims.Select(dim => dim / 12 / 4 * 4)],
            Segments = [.. c.Dims.Select(_ => 4)],
            MlpRatios = [.. c.Dims.Select(_ => 2.0)],
            Classes = Classes,
        };

    private static IEnumerable<(string, object, Func<Backbone>)> Form<T>(
        T config,
        Func<T, Backbone> build,
        params (string Suffix, T Config)[] options
    )
        where T : class =>
        options.Prepend(("", config)).Select(form => (form.Item1, (object)form.Item2, (Func<Backbone>)(() => build(form.Item2))));
}
