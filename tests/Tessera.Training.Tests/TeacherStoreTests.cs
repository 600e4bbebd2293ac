using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class TeacherStoreTests : IDisposable
{
    private const int Count = 9;
    private readonly TempFolder folder = new();
    private readonly ImageDataset data = Small.Images(Count, (index, target) => new Random(index).NextBytes(target.Values));
    private readonly GuideResNet teacher = Teacher(1);

    public void Dispose() => folder.Dispose();

    private static GuideResNet Teacher(ulong seed)
    {
        Torch.Seed(seed);
        return Small.Guide();
    }

    private ObjectiveContext Context(Backbone student, params IReadOnlyList<Transform> augment) =>
        new(student, Device.Cpu) { Data = data, Augment = augment };

    private string Store => Path.Combine(folder.Path, "stored");

    [Fact]
    public void Stored_outputs_are_those_that_the_teacher_gives_also_for_mirrored_images()
    {
        using var scope = Torch.Scope();
        var context = Context(Small.Vit(), new RandomHorizontalFlip());
        var student = context.Student;
        student.Eval();
        var computed = new SoftDistillation(student, teacher, 2);
        // Made by the first, found by the second.
        foreach (var _ in Enumerable.Range(0, 2))
        {
            using var store = TeacherStore.OfTraining(Store, teacher, context, images => [teacher.Call(images)]);
            var read = new SoftDistillation(student, store, 2);
            var mirrored = 0;
            foreach (var batch in new Loader(data, new(context.Augment), new(4) { Shuffle = true }).Epoch(3))
            {
                mirrored += batch.Views[0].Images!.Count(view => view.Width < 0);
                Assert.Equal(
                    computed.Compute(batch, new(0, 1, 0, 1)).Total.ToDouble(),
                    read.Compute(batch, new(0, 1, 0, 1)).Total.ToDouble(),
                    1e-5
                );
            }
            Assert.InRange(mirrored, 1, Count - 1);
        }
    }

    [Fact]
    public void A_distillation_token_learns_from_stored_outputs_without_a_teacher_in_memory()
    {
        using var scope = Torch.Scope();
        var student = new Deit(Small.Vit().Options);
        using var store = TeacherStore.OfTraining(Store, teacher, Context(student), images => [teacher.Call(images)]);
        var options = new DistillationOptions(new(Model: "guide_resnet20"), DistillationKind.Soft);
        student.Train();
        using var batch = new Loader(data, Pipeline.Plain, new(4)).Epoch(0).First();
        var losses = new[] { new Distillation(options, student, teacher), new Distillation(options, student, null, store) }
            .Select(method =>
            {
                Torch.Seed(4);
                return method.Compute(batch, new(0, 1, 0, 1)).Parts["teacher_loss"].ToDouble();
            })
            .ToArray();
        Assert.Equal(losses[0], losses[1], 1e-6);
    }

    [Fact]
    public void Maps_of_a_guide_are_those_that_it_gives_where_images_stay_the_same()
    {
        using var scope = Torch.Scope();
        var context = Context(Small.Vit(), new RandomHorizontalFlip());
        context.Student.Eval();
        var options = new LocalityGuidanceOptions(new(Model: "guide_resnet20"));
        var computed = new LocalityGuidance(options, context.Student, teacher);
        var stored = new LocalityGuidance(options, context.Student, teacher, GuideMaps.Open(Store, teacher, context));
        stored.LoadOwnStateDict(computed.OwnStateDict());
        foreach (var batch in new Loader(data, new(context.Augment), new(4) { Shuffle = true }).Epoch(0))
            Assert.Equal(
                computed.Compute(batch, new(0, 1, 0, 1)).Parts["guidance"].ToDouble(),
                stored.Compute(batch, new(0, 1, 0, 1)).Parts["guidance"].ToDouble(),
                1e-5
            );
        Assert.True(File.Exists(Path.Combine(Store, "output-2.safetensors")));
    }

    [Fact]
    public void Maps_of_whole_images_are_cut_and_mirrored_with_them()
    {
        using var scope = Torch.Scope();
        var map = Torch.Randn([2, 8, 8]);
        Near.Equal(map, GuideMaps.Cut(map, ImageView.Full), 0);
        Near.Equal(map.Flip(2), GuideMaps.Cut(map, ImageView.Full.Mirrored), 0);
        // From 2.9 to 6.1 rows: from the second, three of them.
        var cut = GuideMaps.Cut(map, ImageView.Full.Window(0.36, 0.5, 0.4, 0.5));
        Near.Equal(map.Slice(1, 2, 5).Slice(2, 4, 8).Unsqueeze(0).UpsampleBilinear2d((8, 8), false).Squeeze(0), cut, 1e-6);
        Near.Equal(cut.Flip(2), GuideMaps.Cut(map, ImageView.Full.Window(0.36, 0.5, 0.4, 0.5).Mirrored), 1e-6);
        Near.Equal(map.Slice(1, 7).Slice(2, 7).Expand([2, 8, 8]), GuideMaps.Cut(map, ImageView.Full.Window(0.99, 0.99, 0.01, 0.01)), 1e-6);
        var context = Context(Small.Vit(), new RandomResizedCrop(Small.Side), new RandomHorizontalFlip());
        var maps = GuideMaps.Open(Store, teacher, context);
        using var whole = new Loader(data, Pipeline.Plain, new(4)).Epoch(0).First();
        Near.Equal(GuideMaps.Of(teacher, whole.Inputs)[1], maps.Of(whole.Showing([.. Enumerable.Repeat(ImageView.Full, 4)]))[1], 1e-4);
    }

    [Fact]
    public void Outputs_of_something_else_and_damaged_files_are_refused()
    {
        using var scope = Torch.Scope();
        var context = Context(Small.Vit());
        TeacherStore Open(Backbone of) => TeacherStore.OfTraining(Store, of, context, images => [of.Call(images)]);
        Open(teacher).Dispose();
        Assert.Contains("belong to another teacher", Assert.Throws<RunException>(() => Open(Teacher(2))).Message, StringComparison.Ordinal);
        context = Context(Small.Vit(), new RandomHorizontalFlip());
        Assert.Contains(
            "augmentation; choose another folder",
            Assert.Throws<RunException>(() => Open(teacher)).Message,
            StringComparison.Ordinal
        );
        context = Context(Small.Vit());
        var path = Path.Combine(Store, "output-0.safetensors");
        var bytes = File.ReadAllBytes(path);
        foreach (var length in new[] { 0, 7, 40, bytes.Length - 4 })
        {
            File.WriteAllBytes(path, bytes[..length]);
            Assert.StartsWith(path, Assert.Throws<RunException>(() => Open(teacher)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Stopped_after_some_images_it_leaves_nothing_and_the_next_training_makes_all()
    {
        using var scope = Torch.Scope();
        // More than the teacher sees at a time.
        const int many = 300;
        var images = Small.Images(many, (index, target) => target.Values.Fill((byte)index));
        using var stop = new CancellationTokenSource();
        var context = new ObjectiveContext(Small.Vit(), Device.Cpu) { Data = images, Stop = stop.Token };
        var seen = new List<long>();
        TeacherStore Open(ObjectiveContext context) => TeacherStore.OfTraining(Store, teacher, context, inputs =>
            {
                seen.Add(inputs.Size(0));
                if (seen.Count == 2)
                    stop.Cancel();
                return [teacher.Call(inputs), inputs.Mean([1, 2, 3])];
            });
        var error = Assert.ThrowsAny<OperationCanceledException>(() => Open(context));
        Assert.Equal(stop.Token, error.CancellationToken);
        Assert.Equal([128, 128], seen);
        Assert.Empty(Directory.GetFileSystemEntries(Store));
        using var store = Open(context with { Stop = default });
        Assert.Equal(many, seen.Skip(2).Sum());
        using var last = new Loader(images, Pipeline.Plain, new(many)).Epoch(0).First();
        Near.Equal(last.Inputs.Mean([1, 2, 3]), store.Of(last)[1], 1e-6);
    }

    [Theory]
    [InlineData("soft_distillation", "teacher", "random_horizontal_flip, squash: 32", null)]
    [InlineData("soft_distillation", "teacher", "random_crop: { pad: 4 }, random_horizontal_flip", "random_crop in augment")]
    [InlineData("distillation", "teacher", "random_resized_crop: 32", "random_resized_crop in augment")]
    [InlineData("distillation", "teacher", "mixup: 0.8", "mixup in augment")]
    [InlineData("locality_guidance", "guide", "random_resized_crop: 32, random_horizontal_flip, rand_augment, random_erasing: 0.25", null)]
    [InlineData("locality_guidance", "guide", "random_resized_crop: 32, cutmix: 1.0", "cutmix in augment")]
    [InlineData("locality_guidance", "guide", "random_crop: { pad: 4 }", "random_crop in augment")]
    [InlineData("locality_guidance", "guide", "rand_augment", "rand_augment in augment")]
    [InlineData("locality_guidance", "guide_batch_norm: batch, guide", "random_horizontal_flip", "depend on the other images")]
    public void What_cannot_be_stored_is_told_with_the_reason(string method, string teacher, string augment, string? problem)
    {
        void Parse() =>
            Recipe.Parse(
                $"model: {{ name: vit_micro_patch4_32 }}\ndata: {{ name: cifar10 }}\naugment: [ {augment} ]\noptimizer: adamw\n"
                    + $"schedule: {{ name: constant, epochs: 1 }}\n"
                    + $"objective: {{ name: {method}, {teacher}: {{ model: guide_resnet20 }}, stored: outputs }}",
                "r.yaml"
            );
        if (problem is null)
            Parse();
        else
            Assert.Contains(problem, Assert.Throws<RecipeException>(Parse).Message, StringComparison.Ordinal);
    }
}
