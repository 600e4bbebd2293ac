using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.Retrieval;

/// <summary>
/// Descriptors by which images of a particular object are found: tuples of an image, another of the same object, and images of something
/// else that the model takes for it, with the differential entropy of all of them. El-Nouby et al., "Training Vision Transformers for Image
/// Retrieval", 2021, arXiv:2102.05644, section 4.3, with the tuples of Radenovic, Tolias and Chum, 2019, arXiv:1711.02512. A class is an
/// object; a batch has pairs of images of a class.
/// </summary>
public sealed partial class IrtTuples : BackboneObjective
{
    private readonly NegativePool pool;
    private readonly IrtTuplesOptions options;

    [NotRegistered]
    private readonly Func<Backbone, Tensor, Tensor> descriptor;

    /// <summary>The method for the student of a context.</summary>
    /// <param name="options">Margin, weights and negatives.</param>
    /// <param name="context">Student and training images with one class each.</param>
    /// <param name="descriptor">Descriptors [B, D] of length 1 of images: what is learned, which must be what is measured.</param>
    /// <exception cref="ArgumentException">
    /// The student does not have the descriptor, there are no training images of several classes, or several processes train.
    /// </exception>
    public IrtTuples(IrtTuplesOptions options, ObjectiveContext context, Func<Backbone, Tensor, Tensor> descriptor)
        : base(context.Student)
    {
        if (context.Group is not null)
            throw new ArgumentException("irt_tuples runs in one process: its negatives are found for a whole batch");
        (this.options, this.descriptor) = (options, descriptor);
        pool = new(context, options.Pool, DescriptorWidth.Of(Student, descriptor));
        Remark(
            $"negatives are looked for among {pool.Size} training images, which are drawn and described anew every {options.Every} steps"
        );
    }

    /// <inheritdoc/>
    public override double? ForwardPasses => null;

    /// <inheritdoc/>
    public override bool MeanOverSamples => false;

    /// <inheritdoc/>
    public override bool TrainsClassifier => false;

    /// <inheritdoc/>
    public override IReadOnlyList<MetricCurve> Watched =>
        [
            new("Distance of the images of an object", "positive_distance", MetricFormat.Number),
            new("Distance of the negatives", "negative_distance", MetricFormat.Number),
        ];

    /// <summary>Every so many steps other images are drawn for the pool.</summary>
    /// <inheritdoc/>
    public override void BeforeStep(Progress progress)
    {
        if (progress.Step % options.Every == 0)
            pool.Draw(Student, descriptor);
    }

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var rows = descriptor(Student, batch.Inputs); // [B, D]
        int[] classes = [.. ClassTargets.Of(batch).Labels.ToArray<long>().Select(label => (int)label)];
        var pairs = Pairs(classes).ToArray();
        if (pairs.Length == 0)
            throw new RunException("irt_tuples needs two images of a class in a batch, and there are none: data.instances must be 2");
        var anchors = Rows(rows, pairs.Select(pair => pair.Anchor));
        var positives = Rows(rows, pairs.Select(pair => pair.Positive));
        var wanted = pool.Hardest(anchors, [.. pairs.Select(pair => classes[pair.Anchor])], options.Negatives);
        var (negatives, tuples) = Negatives(rows, wanted);
        var all = negatives.Size(0) == 0 ? rows : Torch.Cat([rows, negatives], 0);
        var contrastive = TupleContrast.Of(
            anchors,
            positives,
            Rows(negatives, tuples.Select(negative => negative.Row)),
            Numbers(tuples.Select(negative => negative.Tuple), rows),
            options.Margin
        );
        var entropy = KoLeo.Of(KoLeo.Distances(all, all, KoLeo.Nearest(all, all)));
        return new(options.Koleo == 0 ? contrastive : contrastive + options.Koleo * entropy)
        {
            Parts = new Dictionary<string, Tensor>
            {
                ["contrastive"] = contrastive.Detach(),
                ["koleo"] = entropy.Detach(),
                ["positive_distance"] = Distance(anchors, positives),
                ["negative_distance"] = Distance(
                    Rows(anchors, tuples.Select(negative => negative.Tuple)),
                    Rows(negatives, tuples.Select(negative => negative.Row))
                ),
            },
        };
    }

    // Images of a class two by two, in their order; one that is left over has no partner.
    private static IEnumerable<(int Anchor, int Positive)> Pairs(int[] classes) =>
        classes
            .Index()
            .GroupBy(entry => entry.Item, entry => entry.Index)
            .SelectMany(members => members.Chunk(2))
            .Where(pair => pair.Length == 2)
            .Select(pair => (pair[0], pair[1]))
            .OrderBy(pair => pair.Item1);

    // An image that several tuples want is read once: it would be its own neighbour otherwise.
    private (Tensor Rows, (int Tuple, int Row)[] Tuples) Negatives(Tensor like, int[][] wanted)
    {
        int[] positions = [.. wanted.SelectMany(own => own).Distinct()];
        using var read = positions.Length == 0 ? null : pool.Read(positions);
        if (read is null)
            return (like.Slice(0, 0, 0), []);
        var rows = descriptor(Student, read.Inputs.To(like.Device).To(Student.Parameters().First().DType));
        var places = read.Indices.Index().ToDictionary(entry => positions[entry.Item], entry => entry.Index);
        return (
            rows,
            [
                .. wanted
                    .Index()
                    .SelectMany(tuple => tuple.Item.Where(places.ContainsKey).Select(position => (tuple.Index, places[position]))),
            ]
        );
    }

    private static Tensor Rows(Tensor rows, IEnumerable<int> places) => rows.IndexSelect(0, Numbers(places, rows));

    private static Tensor Numbers(IEnumerable<int> numbers, Tensor like) =>
        Tensor.From([.. numbers.Select(number => (long)number)]).To(like.Device);

    private static Tensor Distance(Tensor first, Tensor second) =>
        first.Size(0) == 0 ? first.NewZeros([]) : (first - second).Detach().LinalgVectorNorm(2, [1]).Mean();
}

/// <summary>IRT for particular objects. Its batches need pairs: a batch of 10 has 5 tuples.</summary>
/// <param name="Margin">Distance that images of something else should have, from 0 to 2; 0.85 by default.</param>
/// <param name="Koleo">Weight of the entropy, from 0 (none) to 1000; 4 by default, which the paper calls good.</param>
/// <param name="Negatives">Negatives of a tuple, each of a class of its own, from 1 to 1000; 5 by default.</param>
/// <param name="Pool">Images that negatives are looked for among, from 1 to 16777216; 22000 by default.</param>
/// <param name="Every">Steps from one drawing of the pool to the next, at least 1; 400 by default, which are 2000 pairs.</param>
[RecipeName("irt_tuples")]
public sealed record IrtTuplesOptions(
    [Range(0.0, 2)] double Margin = 0.85,
    [Range(0.0, 1000)] double Koleo = 4,
    [Range(1, 1000)] int Negatives = 5,
    [Range(1, 1 << 24)] int Pool = 22000,
    [Range(1, int.MaxValue)] int Every = 400
) : RetrievalOptions
{
    /// <summary>Two: an anchor and a positive.</summary>
    public override int? Instances => 2;

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new IrtTuples(this, context, DescriptorOf(context));
}
