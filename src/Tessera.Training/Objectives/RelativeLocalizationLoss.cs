using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>
/// Dense relative localisation beside any method: the features of random pairs of places tell how far they are apart (Liu et
/// al., 2021, arXiv:2106.03746). Its network is dropped after training.
/// </summary>
public sealed partial class RelativeLocalizationLoss : AuxiliaryLoss
{
    // Maps of 14 x 14, as of ViT, T2T and CvT, are pooled once; smaller ones are not.
    private const int LargestPlane = 14;

    private readonly ModuleList<RelativeLocalization> drloc;
    private readonly RelativeLocalizationOptions options;
    private readonly bool[] pooled;

    /// <summary>The loss for a student.</summary>
    /// <exception cref="ArgumentException">Several levels are asked for of a model without a pyramid of blocks.</exception>
    public RelativeLocalizationLoss(RelativeLocalizationOptions options, Backbone student)
    {
        this.options = options;
        Paths = options.MultiLevel ? LevelPaths(student) : [student.BlockPaths[^1]];
        Shape[] maps = [.. BlockOutputs.Probe(student, Paths)];
        pooled =
        [
            .. maps.Select(map => options.Pool ?? (!options.MultiLevel && student is not Swin && Math.Min(map[2], map[3]) >= LargestPlane)),
        ];
        drloc = new(
            maps.Select(
                (map, level) =>
                {
                    var plane = (int)Math.Max(map[2], map[3]);
                    if (pooled[level])
                        plane = (plane + 1) / 2;
                    // As published, the classes of a level are those of its map before patches are merged.
                    if (options.MultiLevel && level + 1 < maps.Length)
                        plane *= 2;
                    return new RelativeLocalization((int)map[1], options.Bins ?? (options.UseAbs ? plane : 2 * plane - 1), options.Target);
                }
            )
        );
    }

    // The output of every stage: where patches are merged after it, that.
    private static string[] LevelPaths(Backbone student)
    {
        var merging = student
            .NamedModules()
            .Select(m => m.Name)
            .Where(name => name.EndsWith(".downsample", StringComparison.Ordinal))
            .ToArray();
        return student is Swin && merging.Length > 0
            ? [.. merging, student.BlockPaths[^1]]
            : throw new ArgumentException(
                $"multi_level needs stages that end in a merging of patches (swin_*), which {student.GetType().Name} does not have"
            );
    }

    /// <inheritdoc/>
    public override string Name => "localization";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Paths { get; }

    /// <summary>The networks, one per level.</summary>
    public IReadOnlyList<RelativeLocalization> Levels => drloc;

    /// <summary>The map of a level as pairs are drawn from it, [B, C, H, W].</summary>
    internal Tensor MapOf(Backbone student, int level, Tensor output, Tensor image) =>
        Torch.Scope(() =>
        {
            var map = BlockOutputs.Map(student, Paths[level], output, image);
            return pooled[level] ? map.AvgPool2d(3, 2, 1, countIncludePad: false) : map;
        });

    /// <inheritdoc/>
    public override Tensor Compute(Backbone student, IReadOnlyList<Tensor> outputs, Batch batch) =>
        Torch.Scope(() =>
            Torch
                .Stack([
                    .. outputs.Select((output, level) => drloc[level].Loss(MapOf(student, level, output, batch.Inputs), options.Samples)),
                ])
                .Sum()
        );

    /// <inheritdoc/>
    public override double WeightAt(Progress progress)
    {
        var (epoch, total) = (progress.Epoch, options.Epochs ?? progress.Epochs);
        return options.Weight
            * (
                epoch <= options.WarmupEpochs && options.WarmupEpochs > 0
                    ? epoch / (double)options.WarmupEpochs
                    : Math.Max(0, 1 - (epoch - options.WarmupEpochs) / (double)Math.Max(1, total - options.WarmupEpochs))
            );
    }
}

/// <summary>Dense relative localisation, beside any method.</summary>
/// <param name="Mode">Loss of the distances: l1 (the default), ce or cbr.</param>
/// <param name="Samples">Pairs of places per image, at least 1; 64 by default.</param>
/// <param name="Weight">Largest weight of the loss, at least 0: 0.5 (the default) for Swin, 0.1 for T2T and CvT.</param>
/// <param name="WarmupEpochs">Epochs over which the weight rises from 0.</param>
/// <param name="Epochs">
/// Epoch at which the weight reaches 0 again; by default the length of the training (300 in all published runs, even in those of 100
/// epochs).
/// </param>
/// <param name="UseAbs">True (the default) for distances without sign, false for signed ones.</param>
/// <param name="Normalize">With l1: distances as a share of the largest one.</param>
/// <param name="MultiLevel">Takes the map at the end of every stage (Swin) instead of only the last.</param>
/// <param name="Pool">
/// Whether the map is first averaged to half its side; by default if it has at least 14 positions per side, except for Swin.
/// </param>
/// <param name="Bins">Classes per axis of ce and cbr; by default as many as there are distances.</param>
[RecipeName("relative_localization")]
public sealed record RelativeLocalizationOptions(
    LocalizationMode Mode = LocalizationMode.L1,
    [Range(1, 1 << 20)] int Samples = 64,
    [Range(0, 1e6)] double Weight = 0.5,
    [Range(0, 1_000_000)] int WarmupEpochs = 20,
    [Range(1, 1_000_000)] int? Epochs = null,
    bool UseAbs = true,
    bool Normalize = false,
    bool MultiLevel = false,
    bool? Pool = null,
    [Range(1, 1 << 20)] int? Bins = null
) : AuxiliaryLossOptions
{
    /// <summary>With l1: distances as a share of the largest one.</summary>
    public bool Normalize { get; init; } =
        Normalize && Mode != LocalizationMode.L1
            ? throw new ArgumentException($"normalize needs mode: l1, not {RecipeShape.Snake(Mode.ToString())}")
            : Normalize;

    /// <summary>The target in the form that the network takes.</summary>
    internal LocalizationTarget Target => new(Mode, UseAbs, Normalize);

    /// <inheritdoc/>
    public override AuxiliaryLoss Create(ObjectiveContext context) => new RelativeLocalizationLoss(this, context.Student);
}
