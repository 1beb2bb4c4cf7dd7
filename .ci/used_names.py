"""Names that are used, though `vulture` sees no use of them. Everything else it reports is unused."""

# ruff: noqa
# fmt: off

# Elements of DICOM data sets, which pydicom writes.
_.AccessionNumber; _.AcquisitionDate; _.AcquisitionNumber; _.AcquisitionTime; _.BitsStored
_.BodyPartExamined; _.BurnedInAnnotation; _.CodeMeaning; _.CodeValue; _.CodingSchemeDesignator
_.ContentDate; _.ContentTime; _.DeidentificationMethod; _.DeidentificationMethodCodeSequence
_.DerivationDescription; _.FrameOfReferenceUID; _.HighBit; _.ImageComments
_.ImageOrientationPatient; _.ImagePositionPatient; _.ImageType; _.InstanceNumber; _.KVP
_.LongitudinalTemporalInformationModified; _.Manufacturer; _.ManufacturerModelName; _.Modality
_.PatientBirthDate; _.PatientID; _.PatientIdentityRemoved; _.PatientName; _.PatientOrientation
_.PatientPosition; _.PatientSex; _.PhotometricInterpretation; _.PixelData; _.PixelRepresentation
_.PixelSpacing; _.PositionReferenceIndicator; _.ReconstructionDiameter; _.ReferencedFrameNumber
_.ReferencedSOPClassUID; _.ReferencedSOPInstanceUID; _.ReferringPhysicianName; _.RescaleIntercept
_.RescaleSlope; _.RescaleType; _.SamplesPerPixel; _.SeriesDate
_.SeriesInstanceUID; _.SeriesNumber; _.SeriesTime; _.SliceLocation; _.SliceThickness
_.SoftwareVersions; _.SourceImageSequence; _.StudyDate
_.StudyDescription; _.StudyID; _.StudyTime; _.WindowCenter; _.WindowCenterWidthExplanation
_.WindowWidth

# Hooks and options that Python and libraries read.
_.__getattr__; _.__dir__; _.__signature__; _.preamble
_.writeable; _.optimizations; _.representative_dataset; _.supported_ops; _.intra_op_num_threads
_.inter_op_num_threads; _.log_severity_level; _.reading_validation_mode; _.enable_cpu_mem_arena
_.transform; _.row_factory; _.yaml_implicit_resolvers

# Fields that are written as JSON or read by their name.
_.groups_found; _.froc
_.crossing_splits; _.generator_version; _.auc_first; _.auc_second; _.accuracy
_.balanced_accuracy; _.f1; _.mcc; _.brier; _.ece; _.mean_difference; _.auc_float
_.auc_int8; _.auc_difference; _.auc_interval; _.same_calls; _.measured_on; _.said_at
_.weights_bytes; _.schema_version; _.updated; _.rotation_probability
_.zoom_probability; _.brightness_probability; _.shift_probability; _.contrast_probability
_.noise_probability; _.sharpness_probability

# Choices of options, which Typer reads.
_.UNIT; _.SIGNED; _.IMAGENET; _.IMAGENET_BGR; _.SIGMOID; _.SOFTMAX; _.LOGITS; _.KERAS; _.ONNX
_.H5; _.SAVEDMODEL; _.LITERT; _.LITERT_INT8; _.EASY; _.HARD; _.DICOM; _.WIDE

# Used in the templates of the pages.
_.is_unanimous; _.sparkline

# Parts of the key of a cache.
_.mtime_ns; _.prediction_hash

# Called in a child process, or by the base class.
_.time_step; _.seekable; _.readinto

# Called by MkDocs.
_.on_page_markdown

# Makes the table of docs/privacy.md.
_.format_policy

# Read by FastAPI, pydantic and Streamlit.
_.model_config; _.setup_formatter; _.get_external_ip; _.get_internal_ip; _.auc_ci; _.most_suspicious

# Called by pickle.
_.find_class
_.persistent_load
