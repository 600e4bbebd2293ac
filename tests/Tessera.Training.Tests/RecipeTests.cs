using System.Text;
using Tessera.Testing;

namespace Tessera.Training.Tests;

public sealed class RecipeTests
{
    private const string Valid = """
        # A comment at the head.
        model: { name: cct_7_3x1_32 }
        data: { name: cifar10, batch: 96 }
        augment: [ random_crop: { pad: 4 }, random_horizontal_flip, random_shift: 2 ]
        objective: { name: supervised, smoothing: 0.1 }
        optimizer: { name: adamw, lr: 5.5e-4, weight_decay: 0.06 }
        schedule:
          name: cosine
          epochs: 300
          warmup: 10
          form: timm
        train: { precision: bf16, clip_grad: 1, seed: 7 }
        """;

    private static Recipe Parse(string yaml, params string[] settings) => Recipe.Parse(yaml, "r.yaml", settings);

    private static string Error(string yaml, params string[] settings)
    {
        var message = Assert.Throws<RecipeException>(() => Parse(yaml, settings)).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }

    [Fact]
    public void Every_section_is_bound_to_its_record()
    {
        var recipe = Parse(Valid);
        Assert.Equal("cct_7_3x1_32", recipe.Model.Name);
        Assert.Equal(96, recipe.Data.Batch);
        Assert.Equal(["RandomCrop", "RandomHorizontalFlip", "RandomShift"], recipe.Augment.First.Select(t => t.GetType().Name));
        Assert.Equal(4, ((RandomCrop)recipe.Augment.First[0]).Pad);
        Assert.Equal(2, ((RandomShift)recipe.Augment.First[2]).Pixels);
        Assert.Equal(new SupervisedOptions(0.1), recipe.Objective);
        Assert.Equal(new AdamWOptions(5.5e-4, 0.06), recipe.Optimizer);
        Assert.Equal(new CosineOptions(300, 10, Form: CosineForm.Timm), recipe.Schedule);
        Assert.Equal(new TrainOptions(Precision.Bf16, ClipGrad: 1, Seed: 7), recipe.Train);
        Assert.Equal(new EvaluationOptions(), recipe.Evaluation);
    }

    [Theory]
    [InlineData("train.seed=9", "seed: 9")]
    [InlineData("optimizer={name: sgd, momentum: 0.8}", "momentum: 0.8")]
    [InlineData("augment=random_horizontal_flip", "augment: [random_horizontal_flip")]
    [InlineData("augment.0.random_crop.pad=7", "pad: 7")]
    [InlineData("model.image_size=[28, 24]", "image_size: [28, 24]")]
    public void A_setting_changes_one_field(string setting, string expected) =>
        Assert.Contains(expected, Parse(Valid, setting).ToYaml(), StringComparison.Ordinal);

    [Theory]
    [InlineData("random_scale: { shorter: 512, longer: 2048 }")]
    [InlineData("resize_within: 512")]
    [InlineData("resize_to_multiple: 16")]
    [InlineData("squash: { size: 360, width: 480, interpolation: bilinear }")]
    [InlineData("random_dense_crop: { size: 512, max_share: 0.75 }")]
    [InlineData("pad: { multiple: 32, fill: 0 }")]
    [InlineData("random_shift: { pixels: 2, label_factor: 4 }")]
    [InlineData("photometric_distortion: { hue: 9 }")]
    [InlineData("random_size_crop: { min_size: 384, max_size: 600 }")]
    [InlineData("large_scale_jitter: 640")]
    [InlineData("label_scale: 2")]
    [InlineData("pad_batch: 32")]
    public void Transforms_for_a_class_per_pixel_are_chosen_by_name(string transform)
    {
        var recipe = Parse(Valid, $"augment=[{{ {transform} }}]");
        var read = Assert.Single(recipe.Augment.First);
        Assert.Equal(transform.Split(':')[0], TransformRegistry.NameOf(read));
        Assert.Equal(read, Assert.Single(Parse(recipe.ToYaml()).Augment.First));
    }

    [Fact]
    public void Choices_and_lists_of_sizes_are_read_and_written()
    {
        var recipe = Parse(
            Valid,
            "augment=[{ random_choice: { of: [[random_resize: { shorter: [480, 800], step: 32, longer: 1333 }], [random_resize: 600, "
                + "random_size_crop]], weights: [1, 2] } }, random_horizontal_flip]"
        );
        Check(recipe);
        Check(Parse(recipe.ToYaml()));
        Check(Parse(recipe.ToYaml(), "augment.0.random_choice.weights=[1, 2]"));
        Assert.Contains(
            "augment.0.random_choice: random_choice: random_erasing works on normalized images or on batches",
            Assert.Throws<RecipeException>(() => Parse(Valid, "augment=[{ random_choice: { of: [[random_erasing]] } }]")).Message,
            StringComparison.Ordinal
        );

        static void Check(Recipe recipe)
        {
            var choice = Assert.IsType<RandomChoice>(recipe.Augment.First[0]);
            Assert.IsType<RandomHorizontalFlip>(recipe.Augment.First[1]);
            Assert.Equal([1.0, 2.0], choice.Weights!);
            var scales = Assert.IsType<RandomResize>(Assert.Single(choice.Of[0]));
            Assert.Equal([480, 800], scales.Shorter);
            Assert.Equal((1333, 32), (scales.Longer, scales.Step));
            Assert.Equal([600], Assert.IsType<RandomResize>(choice.Of[1][0]).Shorter);
            Assert.Equal(new RandomSizeCrop(), choice.Of[1][1]);
        }
    }

    [Fact]
    public void A_transform_that_refuses_a_field_is_named_with_the_place() =>
        Assert.Equal(
            "r.yaml:4: augment.2.random_dense_crop: random_dense_crop: max_share of 2: it must be above 0 and at most 1",
            Error(Valid.Replace("random_shift: 2", "random_dense_crop: { size: 4, max_share: 2 }", StringComparison.Ordinal))
        );

    [Theory]
    [InlineData("adam", "Adam")]
    [InlineData("lamb, max_norm: 0", "Lamb")]
    [InlineData("lars, form: simclr, lr_batch: 256", "Lars")]
    [InlineData("rmsprop, alpha: 0.9", "Rmsprop")]
    [InlineData("sgd, layer_decay: 0.5", "Sgd")]
    public void Optimisers_are_chosen_by_name(string fields, string type)
    {
        using var scope = new Scope();
        var recipe = Parse(Valid, $"optimizer={{ name: {fields} }}");
        Assert.Equal(type, recipe.Optimizer.Optimizer(new Supervised(new TinyModel())).GetType().Name);
        Assert.Equal(recipe.Optimizer, Recipe.Parse(recipe.ToYaml(), "again.yaml").Optimizer);
    }

    [Theory]
    [InlineData("{ name: step, epochs: 90, every: 30, warmup: 3 }", 60, 0.01)]
    [InlineData("{ name: step, epochs: 90, at: [30, 60, 80] }", 80, 0.001)]
    [InlineData("{ name: polynomial, epochs: 100, power: 2 }", 50, 0.25)]
    [InlineData("{ name: linear, epochs: 100, min_lr: 0.2 }", 50, 0.6)]
    [InlineData("{ name: cosine, epochs: 10, form: timm, cycles: 3, cycle_decay: 0.5 }", 20, 0.25)]
    public void Schedules_are_chosen_by_name(string schedule, int epoch, double expected)
    {
        var recipe = Parse(Valid, $"schedule={schedule}");
        Assert.Equal(expected, recipe.Schedule.LearningRate(1, epoch * 7, 7), 1e-12);
        Assert.Equal(recipe.ToYaml(), Recipe.Parse(recipe.ToYaml(), "again.yaml").ToYaml());
    }

    [Fact]
    public void A_step_schedule_falls_either_regularly_or_at_given_epochs()
    {
        foreach (var fields in new[] { "epochs: 9", "epochs: 9, every: 3, at: [4]" })
            Assert.EndsWith(
                "a step schedule must be { every: 30 } or { at: [30, 60, 80] }",
                Error(Valid, $"schedule={{ name: step, {fields} }}"),
                StringComparison.Ordinal
            );
    }

    [Fact]
    public void The_resolved_recipe_reads_back_to_the_same()
    {
        var recipe = Parse(
            Valid,
            "model.weights='a: \"b\" #\\n'",
            "train.clip_grad=1e-7",
            "model.image_size=28",
            "objective={name: distillation, teacher: {run: 'x y'}, alpha: 0.3}"
        );
        var yaml = recipe.ToYaml("# head\n");
        var again = Recipe.Parse(yaml, "again.yaml");
        Assert.Equal(yaml, again.ToYaml("# head\n"));
        Assert.Equal(recipe.Model.Weights, again.Model.Weights);
        Assert.Equal(recipe.Objective, again.Objective);
        Assert.Equal(recipe.Train, again.Train);
        Assert.Equal(recipe.Schedule, again.Schedule);
    }

    [Fact]
    public void The_recipes_of_the_project_can_be_read()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!Directory.Exists(Path.Combine(folder.FullName, "recipes")))
            folder = folder.Parent!;
        var recipes = Path.Combine(folder.FullName, "recipes");
        // Those of searches are of another kind.
        var files = Directory
            .GetFiles(recipes, "*.yaml", SearchOption.AllDirectories)
            .Where(file => !file.StartsWith(Path.Combine(recipes, "search") + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            .ToArray();
        Assert.NotEmpty(files);
        var built = new HashSet<string>();
        foreach (
            var (file, recipe) in files.SelectMany(file =>
                StagedRun.IsStaged(file)
                    ? StagedRun.Read(file, [], "runs").Select(stage => (file, stage.Recipe))
                    : [(file, Recipe.Load(file))]
            )
        )
        {
            if (recipe.Model.Generator is { } generator)
                using (new Scope())
                using (Nn.Init.Skip())
                    Assert.Equal(0, generator.Create(recipe.Model.Options(new() { Channels = 3, ImageSize = (32, 32) })).Classes);
            else if (recipe.Model.Architecture is { } architecture)
                using (new Scope())
                using (Nn.Init.Skip())
                {
                    var side = recipe.Data.Name == "imagenet" ? 224 : 32;
                    Assert.Equal(7, architecture.Create(recipe.Model.Options(new() { Classes = 7, ImageSize = (side, side) })).Classes);
                }
            // A head says only over its backbone whether it can stand there. The sizes of one paper differ by nothing that a head sees.
            else if (
                Models.Registry.Get(recipe.Model.BackboneName) is var backbone
                && recipe.Model.Head is { } head
                && built.Add($"{head.GetType()} {backbone.Paper}")
            )
                using (new Scope())
                using (Nn.Init.Skip())
                    Assert.Equal(
                        7,
                        new Models.ModelSpec(
                            recipe.Model.BackboneName,
                            recipe.Model.Options(new() { Classes = 7 }) with
                            {
                                Classes = 7,
                            },
                            head
                        )
                            .Create()
                            .Classes
                    );
            Assert.Contains(recipe.Data.Name, Data.Sets.Datasets.Kinds.Keys);
            Assert.Equal(recipe.ToYaml(), Recipe.Parse(recipe.ToYaml(), file).ToYaml());
        }
    }

    // Each beside what it means today.
    [Theory]
    [InlineData("train.clip=0.5", "train.clip_grad=0.5")]
    [InlineData("train.clip_adaptive=0.1", "train.clip_grad_adaptive=0.1")]
    [InlineData("train.accumulate=3", "train.grad_accum_steps=3")]
    [InlineData("train.recompute_blocks=true", "train.grad_checkpointing=true")]
    [InlineData("auxiliary=[relative_localization: { mode: ce }]", "auxiliary_losses=[relative_localization: { mode: ce }]")]
    [InlineData("augment=[crop: { pad: 3 }]", "augment=[random_crop: { pad: 3 }]")]
    [InlineData("augment=[flip, vertical_flip: 0.3]", "augment=[random_horizontal_flip, random_vertical_flip: 0.3]")]
    [InlineData("augment=[shift: 3]", "augment=[random_shift: 3]")]
    [InlineData("augment=[resized_crop: 28, grayscale]", "augment=[random_resized_crop: 28, random_grayscale]")]
    [InlineData("augment=[solarize, blur, erasing: 0.25]", "augment=[random_solarize, gaussian_blur, random_erasing: 0.25]")]
    [InlineData("augment=[mixup: 0.8, smoothing: 0.2]", "augment=[mixup: 0.8, label_smoothing: 0.2]")]
    [InlineData("augment=[{ name: crop, pad: 3 }]", "augment=[{ name: random_crop, pad: 3 }]")]
    [InlineData("evaluation.bins=20", "task={ name: classification, bins: 20 }")]
    [InlineData("data.length=32", "task={ name: text, length: 32 }")]
    [InlineData("data.min_count=2", "task={ name: text, min_count: 2 }")]
    [InlineData("data.max_words=100", "task={ name: text, max_words: 100 }")]
    [InlineData("model.word_vectors=vectors.txt", "task={ name: text, word_vectors: vectors.txt }")]
    public void Old_names_are_read(string old, string current)
    {
        var without = Valid
            .Replace("clip_grad: 1, ", "", StringComparison.Ordinal)
            .Replace("supervised, smoothing: 0.1", "supervised", StringComparison.Ordinal);
        var expected = Parse(without, current).ToYaml();
        Assert.NotEqual(Parse(without).ToYaml(), expected);
        Assert.Equal(expected, Parse(without, old).ToYaml());
        Assert.Equal(expected, Recipe.Parse(expected, "again.yaml").ToYaml());
    }

    [Fact]
    public void Targets_that_augment_smooths_are_not_smoothed_by_the_objective_too()
    {
        string[] both = ["augment=[mixup: 0.8, label_smoothing: 0.2]", "objective={ name: supervised, smoothing: 0.1 }"];
        var error = Assert.Throws<RecipeException>(() => Parse(Valid, both));
        Assert.Contains("objective.smoothing: must be 0 where label_smoothing", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mixing_beside_several_views_is_refused_with_and_without_smoothing()
    {
        var views = new Augmentation([
            [new Mixup(0.8)],
            [new RandomHorizontalFlip()],
        ]);
        foreach (var smoothing in (double[])[0, 0.1])
        {
            var recipe = Parse(Valid) with { Augment = views, Objective = new SupervisedOptions(Smoothing: smoothing) };
            Assert.Throws<DataException>(recipe.TrainingPipeline);
        }
    }

    // Resolved recipes of older runs hold them whatever the task was.
    [Theory]
    [InlineData("data.length=64")]
    [InlineData("data.min_count=1")]
    [InlineData("data.max_words=16777216")]
    [InlineData("model.word_vectors=null")]
    [InlineData("evaluation.bins=15")]
    public void Fields_that_belong_to_tasks_now_are_dropped_where_they_hold_the_old_default(string old)
    {
        Assert.Null(Parse(Valid, old).Task);
        Assert.Equal(Parse(Valid).ToYaml(), Parse(Valid, old).ToYaml());
    }

    [Theory]
    [InlineData("seed: 7", "clip: 2", "r.yaml:12: train.clip: this is the old name of train.clip_grad, which is given as well")]
    [InlineData(
        "clip_grad: 1",
        "clip_adaptive: 2, clip_grad_adaptive: 2",
        "r.yaml:12: train.clip_adaptive: this is the old name of train.clip_grad_adaptive, which is given as well"
    )]
    [InlineData(
        "seed: 7",
        "accumulate: 2, grad_accum_steps: 2",
        "r.yaml:12: train.accumulate: this is the old name of train.grad_accum_steps, which is given as well"
    )]
    [InlineData(
        "seed: 7",
        "recompute_blocks: true, grad_checkpointing: true",
        "r.yaml:12: train.recompute_blocks: this is the old name of train.grad_checkpointing, which is given as well"
    )]
    [InlineData(
        "augment: [",
        "auxiliary: [relative_localization]\nauxiliary_losses: [relative_localization]\naugment: [",
        "r.yaml:4: auxiliary: this is the old name of auxiliary_losses, which is given as well"
    )]
    [InlineData(
        "augment: [",
        "evaluation: { bins: 20 }\ntask: { name: classification, bins: 20 }\naugment: [",
        "r.yaml:4: evaluation.bins: this is the old name of task.bins, which is given as well"
    )]
    public void A_field_under_its_old_and_its_present_name_is_refused(string right, string both, string message)
    {
        Assert.Contains(right, Valid, StringComparison.Ordinal);
        Assert.Equal(message, Error(Valid.Replace(right, both, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("train.clip_grad=2", "train.clip=3")]
    [InlineData("train.clip=2", "train.clip_grad=3")]
    public void The_later_of_two_settings_holds_whichever_name_it_uses(string first, string second) =>
        Assert.Equal(3, Parse(Valid, first, second).Train.ClipGrad);

    [Theory]
    [InlineData("  warmup: 10", "  warmpu: 10", "r.yaml:10: schedule.warmpu: unknown field; did you mean 'warmup'?")]
    [InlineData("  epochs: 300", "  epochs: many", "r.yaml:9: schedule.epochs: must be a whole number, not 'many'")]
    [InlineData("  epochs: 300", "  epochs: 0", "r.yaml:9: schedule.epochs: must be 1 to 1000000, not 0")]
    [InlineData("  epochs: 300", "  cooldown: 2", "r.yaml:8: schedule.epochs: missing")]
    [InlineData("name: adamw", "name: adam_w", "r.yaml:6: optimizer: 'adam_w' is unknown; did you mean 'adamw'?")]
    [InlineData(
        "name: supervised, smoothing",
        "name: supervised, smooth",
        "r.yaml:5: objective.smooth: unknown field; there are smoothing, loss, threshold, sum_classes, class_weights, classifier_only, "
            + "auxiliary_weight"
    )]
    [InlineData("smoothing: 0.1", "smoothing: [1]", "r.yaml:5: objective.smoothing: must be a number, not a list")]
    [InlineData("precision: bf16", "precision: fp8", "r.yaml:12: train.precision: must be one of fp32, bf16, fp16, not 'fp8'")]
    [InlineData("random_shift: 2", "random_shfit: 2", "r.yaml:4: augment.2: 'random_shfit' is unknown; did you mean 'random_shift'?")]
    [InlineData("random_shift: 2", "random_shift", "r.yaml:4: augment.2.pixels: missing")]
    [InlineData("seed: 7", "clip_grad_adaptive: 0.1", "r.yaml:12: train: only one of clip_grad and clip_grad_adaptive can be given")]
    [InlineData("seed: 7", "device: tpu", "r.yaml:12: train: 'tpu' is not a device: it must be cpu, cuda or cuda:N")]
    [InlineData("  warmup: 10", "  warmup: 300", "r.yaml:8: schedule: warmup must be less than 300 epochs, not 300")]
    [InlineData("model: { name: cct_7_3x1_32 }", "model: { name: }", "r.yaml:2: model.name: must be a text, not nothing")]
    [InlineData("smoothing: 0.1", "threshold: 0.2", "r.yaml:5: objective: threshold and sum_classes need loss: bce")]
    [InlineData("  form: timm", "  form: mae\n  per: epoch", "r.yaml:8: schedule: per must be step with the forms mae and dino")]
    [InlineData("  form: timm", "  cycles: 2", "r.yaml:8: schedule: cycles need the form timm or timm_prefix")]
    [InlineData("weight_decay: 0.06", "layer_decay: 1.5", "r.yaml:6: optimizer.layer_decay: must be 0 to 1, not 1.5")]
    [InlineData("seed: 7", "seed: -7", "r.yaml:12: train.seed: must be a whole number from 0, not '-7'")]
    [InlineData("lr: 5.5e-4", "lr: .nan", "r.yaml:6: optimizer.lr: must be a number, not '.nan'")]
    public void Errors_name_file_line_and_field(string right, string wrong, string message)
    {
        Assert.Contains(right, Valid, StringComparison.Ordinal);
        Assert.Equal(message, Error(Valid.Replace(right, wrong, StringComparison.Ordinal)));
    }

    [Fact]
    public void Errors_of_settings_name_the_setting()
    {
        Assert.Equal("--set optimizer.lr=x: optimizer.lr: must be a number, not 'x'", Error(Valid, "optimizer.lr=x"));
        Assert.Equal("--set optimiser.lr=1: optimiser: unknown field; did you mean 'optimizer'?", Error(Valid, "optimiser.lr=1"));
        Assert.StartsWith("--set lr: must be path=value", Error(Valid, "lr"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "r.yaml: the file is empty")]
    [InlineData("- 1", "r.yaml:1: must be fields, not a list")]
    [InlineData("model: {", "r.yaml:2: no YAML: ")]
    [InlineData("model: 1\nmodel: 2", "r.yaml:2: no YAML: ")]
    [InlineData("optimizer: {}", "r.yaml:1: model: missing")]
    public void Text_that_is_no_recipe_is_refused(string yaml, string message) =>
        Assert.StartsWith(message, Error(yaml), StringComparison.Ordinal);

    [Fact]
    public void Deep_nesting_and_aliases_that_multiply_are_refused()
    {
        Assert.Contains("nested", Error("a: " + new string('[', 5000) + new string(']', 5000)), StringComparison.Ordinal);
        var laughs =
            "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
            + string.Concat(
                Enumerable.Range(1, 9).Select(i => $"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]\n")
            );
        Assert.Contains("too much", Error(laughs), StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", Mutations.Category)]
    public void Damaged_recipes_give_a_recipe_or_one_line() =>
        Mutations.Check<RecipeException>("recipe", [(Encoding.UTF8.GetBytes(Valid), bytes => Parse(Encoding.UTF8.GetString(bytes)))]);

    [Fact]
    public void Mixed_targets_contain_the_smoothing_of_the_objective()
    {
        Assert.Null(Parse(Valid).TrainingPipeline().Mixing);
        Assert.Equal(0.1, Parse(Valid, "augment=[mixup: 0.4]").TrainingPipeline().Mixing!.Smoothing);
        string[] ofAugment = ["augment=[mixup: 0.4, label_smoothing: 0.2]", "objective=supervised"];
        Assert.Equal(0.2, Parse(Valid, ofAugment).TrainingPipeline().Mixing!.Smoothing);
        Assert.Equal("--set augment.0=auto_augment: nonsense", Error(Valid, "augment.0=auto_augment: nonsense")[..38]);
    }

    [Fact]
    public void Images_of_another_size_are_resized_for_evaluation_and_others_left_alone()
    {
        ImageFacts Facts(int side) => new(["a", "b"], 3, side, side, [0.5f], [0.25f]);
        var recipe = Parse(Valid, "model.name=vit_2_4_32", "model.image_size=64");
        using var skip = Nn.Init.Skip();
        var model = Models.Registry.Create(recipe.Model.Name, recipe.Model.Options(Facts(32).ModelDefaults));
        Assert.Equal(new EvaluationCrop(64, 1), Assert.Single(Pipeline(32).Transforms));
        Assert.Empty(Pipeline(64).Transforms);
        // Trained at the model's size, a larger image loses nothing of its shorter side.
        Assert.Equal(new EvaluationCrop(64, 1), Assert.Single(Pipeline(64, samples: 100).Transforms));

        Pipeline Pipeline(int side, int? samples = null) =>
            new ClassificationTask().EvaluationPipeline(
                model,
                Facts(side),
                recipe.EvaluationTransforms,
                samples is { } seen ? Facts(seen) : null
            );
    }
}
